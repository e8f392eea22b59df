import type { LabelSlice } from "../data/labels.js";
import { mean, meanInterval } from "./interval.js";
import { type Metric, type ModelOutputs, type Reference, relativeLoss } from "./metric.js";

/** The parts that differ between metrics that are means over samples. */
export interface MeanMetricParts {
  readonly name: string;
  readonly direction: Metric["direction"];
  readonly needs: Reference["kind"];
  readonly range: Metric["range"];
  checkLabels(labels: LabelSlice, name: string): void;
  /** Scores samples by the model's outputs for them; returns one number per sample. */
  score(outputs: ModelOutputs, reference: Reference): Float32Array;
}

/** Creates a metric whose value is the mean over samples of one number per sample. */
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
