import type { Elements, ElementType } from "./element-type.js";

/** Values with a shape, as they go into and come out of a session. */
export interface TensorValue {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Elements;
}

/** An input or output of the model, as onnxruntime-node's metadata gives it. A string is a dynamic axis. */
export interface ModelPort {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** Samples by their numbers, or a half-open range of them. */
export type Samples = readonly number[] | { readonly from: number; readonly to: number };

/** The range when the samples follow one another, so that a slice of memory holds them. */
export function contiguous(samples: Samples): { readonly from: number; readonly to: number } | undefined {
  if (!("length" in samples)) return samples;
  const [from] = samples;
  if (from === undefined) return undefined;
  const follow = samples.every((sample, position) => sample === from + position);
  return follow ? { from, to: from + samples.length } : undefined;
}

export function sampleNumbers(samples: Samples): readonly number[] {
  if ("length" in samples) return samples;
  return Array.from({ length: samples.to - samples.from }, (_, position) => samples.from + position);
}
