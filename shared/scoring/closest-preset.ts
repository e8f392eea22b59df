import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { EstimatorPreset } from "../quantization/range-estimator.js";
import type { Configuration } from "../search/space.js";
import type { CalibrationBatches } from "../statistics/collect.js";
import { toFeeds } from "./feeds.js";
import type { Quantizer } from "./quantizer.js";
import { openSession, type SessionSettings } from "./session.js";
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
  const feeds: InferenceSession.OnnxValueMapType[] = [];
  for (let i = 0; i < Math.min(batches.count, MOST_BATCHES); i++) feeds.push(toFeeds(await batches.batch(i)));
  const expected = await outputsOf(await openSession(subject.prepared.model, session), feeds);
  const tried: TriedPreset[] = [];
  for (const preset of presets) {
    const choices = withActivationPreset(subject, preset);
    const { model } = quantizer.quantize(choices);
    const given = await outputsOf(await openSession(model, session), feeds);
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

type FloatOutputs = ReadonlyMap<string, Float32Array>;

/** The float outputs for each batch; closes the session. */
async function outputsOf(
  session: InferenceSession,
  feeds: readonly InferenceSession.OnnxValueMapType[],
): Promise<FloatOutputs[]> {
  try {
    const outputs: FloatOutputs[] = [];
    for (const feed of feeds) {
      const values = Object.entries(await session.run(feed)).flatMap(([name, value]) =>
        value instanceof Tensor && value.data instanceof Float32Array ? [[name, value.data] as const] : [],
      );
      outputs.push(new Map(values));
    }
    return outputs;
  } finally {
    await session.release();
  }
}

function relativeNoise(given: readonly FloatOutputs[], expected: readonly FloatOutputs[]): number {
  let sum = 0;
  for (const name of expected[0]!.keys()) {
    let signal = 0;
    let noise = 0;
    expected.forEach((batch, i) => {
      const other = given[i]!.get(name)!;
      batch.get(name)!.forEach((value, k) => {
        signal += value ** 2;
        noise += (value - other[k]!) ** 2;
      });
    });
    sum += noise / (signal || 1);
  }
  return sum;
}
