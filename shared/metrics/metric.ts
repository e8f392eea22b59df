import type { LabelSlice } from "../data/labels.js";
import type { TensorValue } from "../runtime/tensor.js";

/** Output tensors of some samples, keyed by output name; the first axis is the sample. */
export type ModelOutputs = Readonly<Record<string, TensorValue>>;

/** The reference that outputs are compared with, for the same samples in the same order. */
export type Reference =
  | { readonly kind: "labels"; readonly labels: LabelSlice }
  | { readonly kind: "float outputs"; readonly outputs: ModelOutputs };

/**
 * A measure of a model's quality. Each sample is scored as a row of numbers. Rows may come from several
 * machines in any split and are aggregated in sample order, so the value depends on the rows only.
 */
export interface Metric {
  readonly name: string;
  /** Name of the model's output that is scored; when omitted, the metric reads all outputs. */
  readonly output?: string | undefined;
  readonly direction: "maximize" | "minimize";
  readonly needs: Reference["kind"];
  /** How many numbers the row (score) of one sample has. */
  readonly rowWidth: number;
  /**
   * Whether the metric's value is the mean of rows (scores of samples) of one number, so that early stopping can
   * compare two models sample by sample.
   */
  readonly perSampleMean: boolean;
  /**
   * Smallest and largest number that a row (a sample's score) can hold, where known; early stopping of trials
   * needs them.
   */
  readonly range: readonly [low: number, high: number] | undefined;
  /**
   * Checks the labels before a run starts.
   *
   * @param name of the labels in messages
   * @throws {DataError} when the metric cannot compare with them
   */
  checkLabels(labels: LabelSlice, name: string): void;
  /**
   * Scores samples by the model's outputs for them.
   *
   * @returns `samples x rowWidth` numbers in 32 bits, the precision in which rows are sent between machines
   * @throws {DataError} when the metric cannot read the outputs
   */
  score(outputs: ModelOutputs, reference: Reference): Float32Array;
  /** The metric's value for the rows (scores) of all samples. */
  aggregate(rows: Float32Array): number;
  /** 95 % confidence interval of the metric's value for the rows (scores) of all samples. */
  interval(rows: Float32Array): readonly [low: number, high: number];
  /**
   * Loss relative to the float model's value (0.01 is one percent); negative when `value` is better. When the
   * float model's value is 0, the loss is the absolute difference.
   */
  loss(floatValue: number, value: number): number;
}

/**
 * Loss of `value` relative to the float model's value (0.01 is one percent), positive when worse, for metrics on a
 * ratio scale.
 */
export function relativeLoss(direction: Metric["direction"], floatValue: number, value: number): number {
  const difference = direction === "maximize" ? floatValue - value : value - floatValue;
  return floatValue === 0 ? difference : difference / Math.abs(floatValue);
}
