import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { toFeeds } from "../../runtime/feeds.js";
import { runSamples } from "../../runtime/run-samples.js";
import { openSession, type SessionSettings } from "../../runtime/session.js";
import { type CalibrationBatches, locateBatch } from "../../statistics/collect.js";
import type { Subject } from "../model/tunable-model.js";
import { centredLogits } from "./centred-logits.js";

type FloatOutputs = ReadonlyMap<string, Float32Array>;
type Comparable = (outputs: InferenceSession.OnnxValueMapType) => FloatOutputs;

/** Limits on the number of calibration batches that models' outputs are compared on. */
export interface ComparedBatches {
  readonly most: number;
  /**
   * Number of batches compared whatever the size of the outputs; more only while the float model's outputs
   * take at most `bytes`.
   */
  readonly fewest: number;
  readonly bytes: number;
}

/**
 * Measures how far a model's outputs are from the float model's on calibration samples, without labels. Outputs of a
 * Softmax are compared as logits: most probabilities are close to 0 or 1 whatever the errors before, so that the few
 * others would decide alone.
 */
export class OutputNoise {
  private constructor(
    private readonly feeds: readonly InferenceSession.OnnxValueMapType[],
    private readonly expected: readonly FloatOutputs[],
    private readonly comparable: Comparable,
    private readonly session: SessionSettings,
  ) {}

  /**
   * Runs the float model on the batches and keeps its outputs, which other models' outputs are compared with.
   */
  static async against(
    { prepared, view }: Subject,
    batches: CalibrationBatches,
    { most, fewest, bytes }: ComparedBatches,
    settings: SessionSettings,
  ): Promise<OutputNoise> {
    const comparable = comparableOutputs(view.index);
    const feeds: InferenceSession.OnnxValueMapType[] = [];
    const expected: FloatOutputs[] = [];
    const session = await openSession(prepared.model, settings);
    try {
      let kept = 0;
      for (let i = 0; i < Math.min(batches.count, most); i++) {
        if (i >= fewest && kept > bytes) break;
        const batch = await batches.batch(i);
        const feed = toFeeds(batch);
        const outputs = comparable(await runSamples(session, batch, () => locateBatch(batches, i)));
        for (const values of outputs.values()) kept += values.byteLength;
        feeds.push(feed);
        expected.push(outputs);
      }
    } finally {
      await session.release();
    }
    return new OutputNoise(feeds, expected, comparable, settings);
  }

  /** Whether the model has an output that can be compared. */
  get isKnown(): boolean {
    return this.expected.some((outputs) => outputs.size > 0);
  }

  /**
   * Noise of a model: the energy of each output's errors divided by that of the float output, summed over the
   * outputs.
   */
  async of(model: Model): Promise<number> {
    const sums = new Map<string, { signal: number; noise: number }>();
    const session = await openSession(model, this.session);
    try {
      for (const [i, feed] of this.feeds.entries()) {
        const given = this.comparable(await session.run(feed));
        for (const [name, values] of this.expected[i]!) {
          const sum = sums.get(name) ?? { signal: 0, noise: 0 };
          sums.set(name, sum);
          const other = given.get(name)!;
          values.forEach((value, k) => {
            sum.signal += value ** 2;
            sum.noise += (value - other[k]!) ** 2;
          });
        }
      }
    } finally {
      await session.release();
    }
    return [...sums.values()].reduce((total, { signal, noise }) => total + noise / (signal || 1), 0);
  }
}

/** Returns a function that selects the float outputs of an inference, those of a Softmax as logits. */
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
