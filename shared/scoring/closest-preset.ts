import type { EstimatorPreset } from "../quantization/range-estimator.js";
import type { Configuration } from "../search/space.js";
import type { CalibrationBatches } from "../statistics/collect.js";
import { firstFeeds, floatOutputs, relativeNoise } from "./output-noise.js";
import type { Quantizer } from "./quantizer.js";
import type { SessionSettings } from "./session.js";
import type { Subject } from "./subject.js";

/** Batches whose outputs are compared: enough to tell presets apart that differ at all, and few enough to keep. */
const MOST_BATCHES = 32;

/** A preset's model, and how far its outputs are from the float model's. */
export interface TriedPreset {
  readonly preset: EstimatorPreset;
  readonly choices: Configuration;
  /** Energy of the outputs' error over that of the float outputs, summed over the outputs. */
  readonly noise: number;
}

/**
 * Tries presets of estimators for all activations at once, and keeps the one whose quantized model's outputs are closest
 * to the float model's on the calibration samples; the first of those that are equally close. No labels are needed.
 * @param presets that the subject's space offers for activations
 */
export async function closestPreset(
  subject: Subject,
  quantizer: Quantizer,
  batches: CalibrationBatches,
  presets: readonly EstimatorPreset[],
  session: SessionSettings,
): Promise<TriedPreset> {
  const feeds = await firstFeeds(batches, MOST_BATCHES);
  const expected = await floatOutputs(subject.prepared.model, feeds, session);
  const tried: TriedPreset[] = [];
  for (const preset of presets) {
    const choices = withActivationPreset(subject, preset);
    const { model } = quantizer.quantize(choices);
    const given = await floatOutputs(model, feeds, session);
    tried.push({ preset, choices, noise: relativeNoise(given, expected) });
  }
  return tried.reduce((best, candidate) => (candidate.noise < best.noise ? candidate : best));
}

/** The base with one preset for every activation. */
function withActivationPreset({ space }: Subject, preset: EstimatorPreset): Configuration {
  const chosen = space.parameters
    .filter(({ name, family }) => name in space.base && /^activations\/.*\/preset$/.test(family ?? ""))
    .map(({ name }) => [name, preset] as const);
  return { ...space.base, ...Object.fromEntries(chosen) };
}
