import type { LabelSlice } from "../data/labels.js";
import { mean, meanInterval } from "./interval.js";
import { type Metric, type ModelOutputs, type Reference, relativeLoss } from "./metric.js";

/** What distinguishes one metric that is a mean over samples from another. */
export interface MeanMetricParts {
  readonly name: string;
  readonly direction: Metric["direction"];
  readonly needs: Reference["kind"];
  readonly range: Metric["range"];
  checkLabels(labels: LabelSlice, name: string): void;
  /** One number a sample. */
  score(outputs: ModelOutputs, reference: Reference): Float32Array;
}

/** A metric whose value is the mean of one number a sample. */
export function meanMetric(parts: MeanMetricParts): Metric {
  return {
    ...parts,
    rowWidth: 1,
    perSampleMean: true,
    aggregate: mean,
    interval: (rows) => meanInterval(rows, parts.range),
    loss: (floatValue, value) => relativeLoss(parts.direction, floatValue, value),
  };
}
