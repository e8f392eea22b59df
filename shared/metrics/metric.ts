import type { LabelSlice } from "../data/labels.js";
import type { TensorValue } from "../runtime/tensor.js";

/** What a session gave for some samples, by the names of the model's outputs; the first axis counts samples. */
export type ModelOutputs = Readonly<Record<string, TensorValue>>;

/** What outputs are compared with, for the same samples in the same order. */
export type Reference =
  | { readonly kind: "labels"; readonly labels: LabelSlice }
  | { readonly kind: "float outputs"; readonly outputs: ModelOutputs };

/**
 * A measure of how good a model's outputs are. Samples are scored one by one into rows, which may come from
 * several machines and in any split, and are aggregated in sample order: the value depends on the rows alone.
 */
export interface Metric {
  readonly name: string;
  /** The output that is scored; where it is left out, the metric takes all of them. */
  readonly output?: string | undefined;
  readonly direction: "maximize" | "minimize";
  readonly needs: Reference["kind"];
  /** Numbers in a sample's row. */
  readonly rowWidth: number;
  /** Whether the value is the plain mean of rows of one number, so that a race can compare samples in pairs. */
  readonly perSampleMean: boolean;
  /** The least and greatest number a row can hold, where there are such; a race needs them. */
  readonly range: readonly [low: number, high: number] | undefined;
  /**
   * Checks labels before any work.
   *
   * @param name how messages name them
   * @throws DataError when they are not what the metric compares with
   */
  checkLabels(labels: LabelSlice, name: string): void;
  /**
   * Scores samples.
   *
   * @returns `samples x rowWidth` numbers; 32-bit, as rows travel, so that nothing is rounded on the way
   * @throws DataError when the outputs are not what the metric takes
   */
  score(outputs: ModelOutputs, reference: Reference): Float32Array;
  /** The metric's value over all rows. */
  aggregate(rows: Float32Array): number;
  /** 95 % interval of the value. */
  interval(rows: Float32Array): readonly [low: number, high: number];
  /**
   * How much worse `value` is than the float model's, as a share of the float model's (0.01 is one percent);
   * negative when it is better. Where the float model's value is 0 there is nothing to be relative to, and the
   * loss is the difference itself.
   */
  loss(floatValue: number, value: number): number;
}

/** `Metric.loss` of a metric that is measured on a ratio scale. */
export function relativeLoss(direction: Metric["direction"], floatValue: number, value: number): number {
  const difference = direction === "maximize" ? floatValue - value : value - floatValue;
  return floatValue === 0 ? difference : difference / Math.abs(floatValue);
}
