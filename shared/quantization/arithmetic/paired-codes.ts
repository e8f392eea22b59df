import { levelsOf, type Width } from "../device/width.js";
import {
  type Affine,
  largestNarrowCode,
  lowestSignedCode,
  narrowSignedAffine,
  quantize,
  signedAffine,
  withSmallestScale,
} from "./affine.js";
import { type ChannelView, forEachRun } from "./channel-view.js";
import type { Range } from "./range.js";

/**
 * Where a product's inputs lie in its weights: `filters` is [filters, channels, ...kernel] of a Conv, `rows`
 * [..., inputs, outputs] of a MatMul, `columns` [outputs, inputs] of a transposed Gemm.
 */
export type InputLayout = "filters" | "rows" | "columns";

/**
 * Largest |a + b| of two weight codes whose products with activations of at most 255 sum up within 16 bits.
 */
const LARGEST_PAIR = 128;

/**
 * Number of steps from all 256 levels (codes) of 8 bits down to the 128 of 7 bits, at which any pair fits; each
 * step is tried.
 */
const WIDTH_STEPS = 8;
const SEVEN_BIT_LEVELS = 128;

/**
 * Indices of the weights whose products x86 kernels without VNNI sum in 16 bits, as consecutive pairs: inputs
 * 0 and 1 of an output, inputs 2 and 3, and so on. A Conv's inputs are ordered by kernel position, then by
 * channel, as ONNX Runtime reorders them. A last single input has no partner.
 *
 * @param dims shape of the weights
 */
export function codePairs(dims: readonly number[], layout: InputLayout): Int32Array {
  const [outputs, inputs, place] = describeInputs(dims, layout);
  const pairs = new Int32Array(2 * outputs * Math.floor(inputs / 2));
  let at = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input + 1 < inputs; input += 2) {
      pairs[at++] = place(output, input);
      pairs[at++] = place(output, input + 1);
    }
  }
  return pairs;
}

/**
 * Describes a product's weights: number of outputs, number of inputs per output, and a function for the index
 * in the tensor of the weight of an output and input.
 */
function describeInputs(
  dims: readonly number[],
  layout: InputLayout,
): [outputs: number, inputs: number, place: (output: number, input: number) => number] {
  const product = (sizes: readonly number[]): number => sizes.reduce((size, dim) => size * dim, 1);
  switch (layout) {
    case "filters": {
      const [filters = 1, channels = 1, ...kernel] = dims;
      const positions = product(kernel);
      const inputs = channels * positions;
      return [
        filters,
        inputs,
        (filter, input) => filter * inputs + (input % channels) * positions + Math.floor(input / channels),
      ];
    }
    case "columns": {
      const [outputs = 1, inputs = 1] = dims;
      return [outputs, inputs, (output, input) => output * inputs + input];
    }
    case "rows": {
      const inputs = dims.at(-2) ?? 1;
      const columns = dims.at(-1) ?? 1;
      const matrices = product(dims.slice(0, -2));
      return [
        matrices * columns,
        inputs,
        (output, input) => (Math.floor(output / columns) * inputs + input) * columns + (output % columns),
      ];
    }
  }
}

/** What {@link pairedCodes} needs: weights, which of them are paired, and how they are quantized. */
export interface PairedQuantization {
  readonly view: ChannelView;
  /** Indices of paired weights, from {@link codePairs}. */
  readonly pairs: Int32Array;
  readonly mode: "symmetric" | "asymmetric";
  /** Whether all channels must have the same zero point, and hence the same number of levels. */
  readonly unifiedZeroPoint: boolean;
  /** Largest number of levels (codes) to try. */
  readonly width: Width;
  /** Returns the range of each channel for a number of levels (codes). */
  readonly ranges: (width: Width) => readonly Range[];
  readonly smallestScales: readonly number[] | undefined;
}

/**
 * Quantizes weights to 8-bit codes whose pairs cannot saturate the 16-bit intermediate of x86 kernels without
 * VNNI, so the kernels are exact as with 7 bits, at nearly the resolution of 8 bits. Pairs that are too large
 * are clipped. Several numbers of levels are tried and each channel gets the one with the least squared
 * error: fewer levels are coarser but need less clipping.
 */
export function pairedCodes(asked: PairedQuantization): { codes: Int8Array; channels: Affine[] } {
  const { view, unifiedZeroPoint } = asked;
  const candidates = triedLevels(asked.width).map((levels) => {
    const { codes, channels } = codesOfWidth(asked, { levels });
    return { codes, channels, errors: squaredErrors(view, codes, channels) };
  });
  const best = (error: (candidate: (typeof candidates)[number]) => number) =>
    candidates.reduce((least, candidate) => (error(candidate) < error(least) ? candidate : least));
  if (unifiedZeroPoint || view.channels === 1) {
    const { codes, channels } = best(({ errors }) => errors.reduce((sum, error) => sum + error, 0));
    return { codes, channels };
  }
  const chosen = Array.from({ length: view.channels }, (_, c) => best(({ errors }) => errors[c]!));
  const codes = new Int8Array(view.values.length);
  forEachRun(view, (channel, start, end) => {
    codes.set(chosen[channel]!.codes.subarray(start, end), start);
  });
  return { codes, channels: chosen.map(({ channels }, c) => channels[c]!) };
}

function triedLevels(width: Width): number[] {
  const most = levelsOf(width);
  const spare = Math.max(0, most - SEVEN_BIT_LEVELS);
  const tried = Array.from(
    { length: WIDTH_STEPS + 1 },
    (_, i) => most - Math.ceil((spare * i) / WIDTH_STEPS),
  );
  return [...new Set(tried)];
}

function codesOfWidth(
  { view, pairs, mode, ranges, smallestScales }: PairedQuantization,
  width: Width,
): { codes: Int8Array; channels: Affine[] } {
  const affineOf = mode === "symmetric" ? narrowSignedAffine : signedAffine;
  const channels = ranges(width).map((range, c) => {
    const affine = affineOf(range, width);
    return withSmallestScale(affine, smallestScales?.[c]);
  });
  const symmetric = mode === "symmetric";
  const lowest = symmetric ? -largestNarrowCode(width) : lowestSignedCode(width);
  const highest = symmetric ? largestNarrowCode(width) : lowest + levelsOf(width) - 1;
  const codes = new Int8Array(view.values.length);
  forEachRun(view, (channel, start, end) => {
    const affine = channels[channel]!;
    for (let i = start; i < end; i++) codes[i] = quantize(view.values[i]!, affine, lowest, highest);
  });
  cutPairs(codes, pairs);
  return { codes, channels };
}

/**
 * Reduces the codes of pairs whose sum is too large for 16-bit kernels, in place, each by half of the excess
 * where both are large enough.
 */
export function cutPairs(codes: Int8Array, pairs: Int32Array): void {
  for (let p = 0; p < pairs.length; p += 2) {
    const [i, j] = [pairs[p]!, pairs[p + 1]!];
    const [a, b] = [codes[i]!, codes[j]!];
    if (a > 0 !== b > 0) continue;
    const excess = Math.abs(a) + Math.abs(b) - LARGEST_PAIR;
    if (excess <= 0) continue;
    const sign = a > 0 ? 1 : -1;
    const fromA = Math.max(excess - Math.abs(b), Math.min(Math.abs(a), excess >> 1));
    codes[i] = a - sign * fromA;
    codes[j] = b - sign * (excess - fromA);
  }
}

function squaredErrors(view: ChannelView, codes: Int8Array, channels: readonly Affine[]): Float64Array {
  const errors = new Float64Array(view.channels);
  forEachRun(view, (channel, start, end) => {
    const { scale, zeroPoint } = channels[channel]!;
    let error = 0;
    for (let i = start; i < end; i++) error += (view.values[i]! - (codes[i]! - zeroPoint) * scale) ** 2;
    errors[channel]! += error;
  });
  return errors;
}
