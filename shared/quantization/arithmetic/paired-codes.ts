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
 * How the inputs of a product lie in its weights: a Conv's [filters, channels, ...kernel], rows [..., inputs, outputs] of
 * a MatMul, or columns [outputs, inputs] of a transposed Gemm.
 */
export type InputLayout = "filters" | "rows" | "columns";

/** Two codes of 8 bits that are multiplied by the largest activations still fit into 16 bits if they add up to this. */
const LARGEST_PAIR = 128;

/** Steps from all codes of 8 bits to those of 7 bits, of which any two fit. */
const WIDTH_STEPS = 8;
const SEVEN_BIT_LEVELS = 128;

/**
 * Places of the codes that x86 kernels without VNNI multiply and add up together, two by two: the first and the second
 * input of an output, the third and the fourth, and so on. A Conv's inputs run over the channels first, then over the
 * kernel's positions, as ONNX Runtime reorders them. A last single input has no partner.
 *
 * @param dims of the weights
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

/** Outputs, inputs of each, and where in the tensor the weight of an output and an input is. */
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

/** What decides on codes whose pairs stay small. */
export interface PairedQuantization {
  readonly view: ChannelView;
  readonly pairs: Int32Array;
  readonly mode: "symmetric" | "asymmetric";
  /** All channels keep one zero point, and so the same number of codes. */
  readonly unifiedZeroPoint: boolean;
  /** How many codes there are at most. */
  readonly width: Width;
  /** The ranges of the channels when they are laid over so many codes. */
  readonly ranges: (width: Width) => readonly Range[];
  readonly smallestScales: readonly number[] | undefined;
}

/**
 * Codes of 8 bits of which no pair can leave 16 bits: the kernels are exact, as with 7 bits, and the steps nearly as fine
 * as with 8. Pairs that are too large are cut; of several numbers of codes each channel gets the one with the smallest
 * squared error, as fewer codes are coarser and cut less.
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

/** Takes from both codes of each pair that is too large what is too much, half from each as far as both have it. */
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
