import { type InferenceSession, Tensor } from "onnxruntime-node";
import { intAttribute } from "../onnx/attributes.js";
import type { GraphIndex } from "../onnx/graph-index.js";
import type { EstimatorPreset } from "../quantization/range-estimator.js";
import type { Configuration } from "../search/space.js";
import type { CalibrationBatches } from "../statistics/collect.js";
import { centredLogits } from "./centred-logits.js";
import { toFeeds } from "./feeds.js";
import type { Quantizer } from "./quantizer.js";
import { openSession, type SessionSettings } from "./session.js";
import type { Subject } from "./subject.js";

/** Batches whose outputs are compared, at most: among 32, one that is far off can decide between presets. */
const MOST_BATCHES = 128;
/** Batches that are compared whatever their size. */
const FEWEST_BATCHES = 32;
/** The float model's outputs are kept while presets are tried. */
const MOST_KEPT_BYTES = 64 * 2 ** 20;

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
 * What a Softmax makes is compared as logits: probabilities are 0 or 1 for most samples whatever the errors before them,
 * and the few that are not would decide alone.
 * @param presets that the subject's space offers for activations
 */
export async function closestPreset(
  subject: Subject,
  quantizer: Quantizer,
  batches: CalibrationBatches,
  presets: readonly EstimatorPreset[],
  session: SessionSettings,
): Promise<TriedPreset> {
  const comparable = comparableOutputs(subject.view.index);
  const float = await openSession(subject.prepared.model, session);
  const { feeds, expected } = await floatOutputs(float, batches, comparable).finally(() => float.release());
  const tried: TriedPreset[] = [];
  for (const preset of presets) {
    const choices = withActivationPreset(subject, preset);
    const { model } = quantizer.quantize(choices);
    const quantized = await openSession(model, session);
    const noise = new RelativeNoise();
    try {
      for (const [i, feed] of feeds.entries()) noise.add(comparable(await quantized.run(feed)), expected[i]!);
    } finally {
      await quantized.release();
    }
    tried.push({ preset, choices, noise: noise.value() });
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
type Comparable = (outputs: InferenceSession.OnnxValueMapType) => FloatOutputs;

/** The float outputs of a run, as they are compared. */
function comparableOutputs(index: GraphIndex): Comparable {
  return (outputs) =>
    new Map(
      Object.entries(outputs).flatMap(([name, value]) => {
        if (!(value instanceof Tensor) || !(value.data instanceof Float32Array)) return [];
        const producer = index.producer(name);
        if (producer?.opType !== "Softmax") return [[name, value.data]];
        return [[name, centredLogits(value.data, value.dims, intAttribute(producer, "axis", -1))]];
      }),
    );
}

/** As many batches as may be kept, with the float model's outputs. */
async function floatOutputs(
  session: InferenceSession,
  batches: CalibrationBatches,
  comparable: Comparable,
): Promise<{
  readonly feeds: readonly InferenceSession.OnnxValueMapType[];
  readonly expected: readonly FloatOutputs[];
}> {
  const feeds: InferenceSession.OnnxValueMapType[] = [];
  const expected: FloatOutputs[] = [];
  let bytes = 0;
  for (let i = 0; i < Math.min(batches.count, MOST_BATCHES); i++) {
    if (i >= FEWEST_BATCHES && bytes > MOST_KEPT_BYTES) break;
    const feed = toFeeds(await batches.batch(i));
    const outputs = comparable(await session.run(feed));
    for (const kept of outputs.values()) bytes += kept.byteLength;
    feeds.push(feed);
    expected.push(outputs);
  }
  return { feeds, expected };
}

/** Of each output the energy of all errors over that of what was expected; their sum. */
class RelativeNoise {
  readonly #outputs = new Map<string, { signal: number; noise: number }>();

  add(given: FloatOutputs, expected: FloatOutputs): void {
    for (const [name, values] of expected) {
      const sums = this.#outputs.get(name) ?? { signal: 0, noise: 0 };
      this.#outputs.set(name, sums);
      const other = given.get(name)!;
      values.forEach((value, k) => {
        sums.signal += value ** 2;
        sums.noise += (value - other[k]!) ** 2;
      });
    }
  }

  value(): number {
    return [...this.#outputs.values()].reduce((sum, { signal, noise }) => sum + noise / (signal || 1), 0);
  }
}
