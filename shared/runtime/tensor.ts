import type { Elements, ElementType } from "./element-type.js";

/** A tensor as sessions take and return it. */
export interface TensorValue {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Elements;
}

/** An input or output of the model, as in onnxruntime-node's metadata. Dynamic axes are strings. */
export interface ModelPort {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** A selection of samples: their indices, or a half-open range of them. */
export type Samples = readonly number[] | { readonly from: number; readonly to: number };

/**
 * The samples as a half-open range when they are consecutive, so that a slice of memory holds them; otherwise
 * `undefined`.
 */
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
