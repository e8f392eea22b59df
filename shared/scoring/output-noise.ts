import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { Model } from "../onnx/codec.js";
import type { CalibrationBatches } from "../statistics/collect.js";
import { toFeeds } from "./feeds.js";
import { openSession, type SessionSettings } from "./session.js";

/** What a model makes of one batch, by output; outputs that are no floats have no error to speak of. */
export type FloatOutputs = ReadonlyMap<string, Float32Array>;

export type Feeds = readonly InferenceSession.OnnxValueMapType[];

/** The first batches, `most` at most, as a session takes them. */
export async function firstFeeds(batches: CalibrationBatches, most: number): Promise<Feeds> {
  const feeds: InferenceSession.OnnxValueMapType[] = [];
  for (let i = 0; i < Math.min(batches.count, most); i++) feeds.push(toFeeds(await batches.batch(i)));
  return feeds;
}

/**
 * The float outputs of a model for each batch.
 * @throws {ModelError} when ONNX Runtime refuses the model
 */
export async function floatOutputs(
  model: Model,
  feeds: Feeds,
  settings: SessionSettings,
): Promise<FloatOutputs[]> {
  const session = await openSession(model, settings);
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

/** Energy of the outputs' error over that of the expected outputs, summed over the outputs; both hold the same batches. */
export function relativeNoise(given: readonly FloatOutputs[], expected: readonly FloatOutputs[]): number {
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
