import type { LabelSlice } from "../../shared/data/labels.js";
import type { Reference } from "../../shared/metrics/metric.js";
import type { ModelPort, TensorValue } from "../../shared/runtime/tensor.js";

export function floats(dims: readonly number[], ...values: number[]): TensorValue {
  return { type: "float32", dims, data: Float32Array.from(values) };
}

export function port(shape: ModelPort["shape"], type = "float32"): ModelPort {
  return { name: "out", type, shape };
}

export function classes(...labels: number[]): Reference {
  return { kind: "labels", labels: integerLabels(labels) };
}

export function integerLabels(
  labels: readonly number[],
  shape: readonly number[] = [labels.length],
): LabelSlice {
  return { kind: "numbers", shape, data: Float64Array.from(labels), integers: true };
}

export function lines(...texts: string[]): Reference {
  return { kind: "labels", labels: { kind: "lines", lines: texts } };
}

export function floatModel(out: TensorValue): Reference {
  return { kind: "float outputs", outputs: { out } };
}
