import type { EstimatorPreset } from "../quantization/range-estimator.js";
import type { Configuration } from "../search/space.js";
import type { CalibrationBatches } from "../statistics/collect.js";
import { OutputNoise } from "./output-noise.js";
import type { Quantizer } from "./quantizer.js";
import type { SessionSettings } from "./session.js";
import type { Subject } from "./subject.js";

/** Among 32 batches, one that is far off can decide between presets. */
const COMPARED = { most: 128, fewest: 32, bytes: 64 * 2 ** 20 };

/** A preset's model, and how far its outputs are from the float model's. */
export interface TriedPreset {
  readonly preset: EstimatorPreset;
  readonly choices: Configuration;
  /** Energy of the outputs' error over that of the float outputs, summed over the outputs. */
  readonly noise: number;
}

/**
 * Tries presets of estimators for all activations at once, and keeps the one whose quantized model's outputs are closest
 * to the float model's on the calibration samples; the first of those that are equally close.
 * @param presets that the subject's space offers for activations
 */
export async function closestPreset(
  subject: Subject,
  quantizer: Quantizer,
  batches: CalibrationBatches,
  presets: readonly EstimatorPreset[],
  session: SessionSettings,
): Promise<TriedPreset> {
  const noise = await OutputNoise.against(subject, batches, COMPARED, session);
  const tried: TriedPreset[] = [];
  for (const preset of presets) {
    const choices = withActivationPreset(subject, preset);
    const { model } = quantizer.quantize(choices);
    tried.push({ preset, choices, noise: await noise.of(model) });
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
