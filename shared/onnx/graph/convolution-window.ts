import type { NodeProto } from "onnx-buf";
import { intsAttribute, stringAttribute } from "../model/attributes.js";

/** Kernel size, strides, dilations and padding of a Conv along each of its spatial axes. */
export interface ConvolutionWindow {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Used only when `autoPad` is NOTSET: the padding before every axis, then after every axis. */
  readonly pads: readonly number[];
  readonly autoPad: string;
}

/**
 * The window of a Conv, from its attributes.
 *
 * @param kernel the spatial dimensions of the Conv's weights
 */
export function convolutionWindow(node: NodeProto, kernel: readonly number[]): ConvolutionWindow {
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: intsAttribute(node, "strides") ?? ones,
    dilations: intsAttribute(node, "dilations") ?? ones,
    pads: intsAttribute(node, "pads") ?? [...kernel, ...kernel].map(() => 0),
    autoPad: stringAttribute(node, "auto_pad", "NOTSET"),
  };
}

/**
 * Whether the Conv is pointwise: each output position reads one element of each channel, and each element is read
 * once.
 */
export function isPointwise({ kernel, strides, pads }: ConvolutionWindow): boolean {
  return [...kernel, ...strides].every((size) => size === 1) && pads.every((pad) => pad === 0);
}

export function windowName({ kernel, strides, dilations, pads, autoPad }: ConvolutionWindow): string {
  return [...[kernel, strides, dilations, pads].map((sizes) => sizes.join("x")), autoPad].join(".");
}

/**
 * The number of window positions along each axis, and the padding: before every axis, then after every axis.
 */
export function placeWindow(
  window: ConvolutionWindow,
  spatial: readonly number[],
): { readonly positions: readonly number[]; readonly pads: readonly number[] } {
  const { kernel, strides, dilations, pads, autoPad } = window;
  const reach = kernel.map((size, axis) => dilations[axis]! * (size - 1) + 1);
  if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
    const positions = spatial.map((size, axis) => Math.ceil(size / strides[axis]!));
    const missing = positions.map((count, axis) =>
      Math.max(0, (count - 1) * strides[axis]! + reach[axis]! - spatial[axis]!),
    );
    const lesser = missing.map((total) => Math.floor(total / 2));
    const greater = missing.map((total) => Math.ceil(total / 2));
    return { positions, pads: autoPad === "SAME_UPPER" ? [...lesser, ...greater] : [...greater, ...lesser] };
  }
  const explicit = autoPad === "VALID" ? pads.map(() => 0) : pads;
  const positions = spatial.map((size, axis) => {
    const padded = size + explicit[axis]! + explicit[axis + spatial.length]!;
    return Math.floor((padded - reach[axis]!) / strides[axis]!) + 1;
  });
  return { positions, pads: explicit };
}
