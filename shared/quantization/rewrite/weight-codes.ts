import { Histogram } from "../../statistics/histogram.js";
import { quantileOfSorted } from "../../statistics/quantile.js";
import { type ErrorType, isErrorType, type SideEstimator } from "../../statistics/statistic-type.js";
import {
  type Affine,
  largestHalvedCode,
  largestNarrowCode,
  lowestSignedCode,
  narrowSignedAffine,
  quantize,
  signedAffine,
  withSmallestScale,
} from "../arithmetic/affine.js";
import { type ChannelView, forEachRun } from "../arithmetic/channel-view.js";
import { leastErrorRange } from "../arithmetic/least-error-range.js";
import { pairedCodes } from "../arithmetic/paired-codes.js";
import { quantizationError } from "../arithmetic/quantization-error.js";
import {
  asymmetricRange,
  type Range,
  symmetricWeightRanges,
  unifiedZeroPointRanges,
} from "../arithmetic/range.js";
import { widthOf } from "../device/hardware.js";
import { levelsOf, type Width } from "../device/width.js";
import type { TensorPlan } from "../space/plan.js";
import { leastError } from "../space/range-estimator.js";

/**
 * A quantized constant: codes in the tensor's own layout, and scale and zero point per channel (or a single
 * one).
 */
export interface WeightCodes {
  readonly codes: Int8Array | Uint8Array | Int16Array;
  readonly channels: readonly Affine[];
}

/**
 * Quantizes a constant: to narrow codes around zero in symmetric mode, to codes with a zero point per channel
 * in asymmetric mode (docs/reference/algorithms.md, "Ranges of weights"). Codes are signed in both modes, as
 * ONNX Runtime's kernels for unsigned activations and signed weights are faster; UINT8 codes are shifted when
 * the model is written.
 *
 * @param unifiedZeroPoint all channels share one zero point
 * @param smallestScales lower limits of the scales, per channel, so that a bias, whose scale is the product
 *   of input and weight scale, fits into 32 bits
 * @param pairs indices of the codes whose products are summed in 16 bits (`codePairs`); required for paired
 *   codes
 */
export function quantizeWeights(
  view: ChannelView,
  plan: TensorPlan,
  unifiedZeroPoint = false,
  smallestScales?: readonly number[],
  pairs?: Int32Array,
): WeightCodes {
  if (plan.codes === "int8_paired") {
    if (pairs === undefined) throw new Error("Paired codes need to know the pairs.");
    const seen = seenEnds(view, plan);
    const ranges = (width: Width): Range[] => rangesWithin(seen, plan, width, unifiedZeroPoint);
    const { mode } = plan;
    return pairedCodes({ view, pairs, mode, width: widthOf(plan), unifiedZeroPoint, ranges, smallestScales });
  }
  const ranges = weightRanges(view, plan, unifiedZeroPoint);
  const symmetric = plan.mode === "symmetric";
  const width = asymmetricWidth(plan);
  const channels = ranges.map((range, c) => {
    const affine = symmetric ? symmetricAffine(range, plan) : signedAffine(range, width);
    return withSmallestScale(affine, smallestScales?.[c]);
  });
  const { lowest, highest } = codeLimits(plan);
  const codes = plan.bits > 8 ? new Int16Array(view.values.length) : new Int8Array(view.values.length);
  forEachRun(view, (channel, start, end) => {
    const affine = channels[channel]!;
    for (let i = start; i < end; i++) codes[i] = quantize(view.values[i]!, affine, lowest, highest);
  });
  return { codes, channels };
}

/**
 * Scale and zero point of weights in symmetric mode; 7-bit codes have twice the scale of 8-bit ones, so the
 * largest code is half.
 */
function symmetricAffine(range: Range, plan: TensorPlan): Affine {
  const affine = narrowSignedAffine(range, widthOf(plan));
  return plan.codes === "int7" ? { ...affine, scale: 2 * affine.scale } : affine;
}

/** Number of weight codes of a plan in asymmetric mode; 7-bit codes have half as many. */
function asymmetricWidth(plan: TensorPlan): Width {
  const width = widthOf(plan);
  return plan.codes === "int7" ? { levels: Math.ceil(levelsOf(width) / 2) } : width;
}

/** Smallest and largest code that a constant's values can get. */
export interface CodeLimits {
  readonly lowest: number;
  readonly highest: number;
}

/**
 * The smallest and largest code by the plan of a weight; in symmetric mode narrow, so that they are symmetric
 * around zero.
 */
export function codeLimits(plan: TensorPlan): CodeLimits {
  if (plan.mode === "symmetric") {
    const highest = (plan.codes === "int7" ? largestHalvedCode : largestNarrowCode)(widthOf(plan));
    return { lowest: -highest, highest };
  }
  const width = asymmetricWidth(plan);
  const lowest = lowestSignedCode(width);
  return { lowest, highest: lowest + levelsOf(width) - 1 };
}

/** The quantization range of each channel of a weight, by the plan's range estimator. */
export function weightRanges(view: ChannelView, plan: TensorPlan, unifiedZeroPoint = false): Range[] {
  return rangesWithin(seenEnds(view, plan), plan, asymmetricWidth(plan), unifiedZeroPoint);
}

/** The quantization ranges of a weight's channels that contain the estimated ends, for a number of codes. */
function rangesWithin(
  seen: readonly Range[],
  plan: TensorPlan,
  width: Width,
  unifiedZeroPoint: boolean,
): Range[] {
  if (plan.mode === "symmetric") {
    return symmetricWeightRanges(
      seen.map(({ high }) => high),
      width,
    ).map((range) => clip(range, plan));
  }
  const ranges = unifiedZeroPoint
    ? unifiedZeroPointRanges(seen, width)
    : seen.map(({ low, high }) => asymmetricRange(low, high, width));
  return ranges.map((range) => clip(range, plan));
}

/**
 * The ends of each channel's range that the plan's range estimator gives; in symmetric mode `high` is the
 * magnitude.
 */
function seenEnds(view: ChannelView, plan: TensorPlan): Range[] {
  const { min, max } = plan.estimator;
  const highs = estimate(view, furthest(max, plan.mode === "symmetric" ? "abs_max" : "max"), "max");
  const lows = min === undefined ? highs : estimate(view, furthest(min, "min"), "min");
  const seen = highs.map((high, c) => ({ low: lows[c]!, high }));
  const error = leastError(plan.estimator);
  return error === undefined ? seen : leastErrorEnds(view, error, seen, plan);
}

/**
 * The estimator of a range's end; for one that minimizes an error, that of the extreme value, from which its
 * search starts.
 */
function furthest(estimator: SideEstimator, type: "min" | "max" | "abs_max"): SideEstimator {
  return isErrorType(estimator.type) ? { type } : estimator;
}

function leastErrorEnds(
  view: ChannelView,
  error: ErrorType,
  seen: readonly Range[],
  plan: TensorPlan,
): Range[] {
  const { mode, estimator } = plan;
  const width = asymmetricWidth(plan);
  const free = {
    low: estimator.min !== undefined && isErrorType(estimator.min.type),
    high: isErrorType(estimator.max.type),
  };
  const symmetric = mode === "symmetric";
  const { lowest, highest } = codeLimits(plan);
  const top = highest - lowest;
  return channelValues(view, (x) => x).map((values, c) => {
    const histogram = new Histogram();
    histogram.add(values);
    const bins = histogram.occupied();
    return leastErrorRange(seen[c]!, free, ({ low, high }) => {
      if (high === 0 && (symmetric || low === 0)) return 0;
      const range = symmetric ? { low: -high, high } : asymmetricRange(low, high, width);
      return quantizationError(error, bins, { ...range, top });
    });
  });
}

/**
 * Clips a range to the configured limits; a symmetric range stays symmetric, otherwise zero is moved onto a
 * code again.
 */
function clip(range: Range, plan: TensorPlan): Range {
  const { estimator, mode } = plan;
  const high = Math.min(range.high, estimator.max.clippingValue ?? range.high);
  const low = Math.max(range.low, estimator.min?.clippingValue ?? range.low);
  if (high === range.high && low === range.low) return range;
  if (mode === "symmetric") return { low: -high, high };
  return asymmetricRange(low, high, asymmetricWidth(plan));
}

function estimate(
  view: ChannelView,
  { type, outlierProb = 0 }: SideEstimator,
  side: "min" | "max",
): number[] {
  if (isErrorType(type)) throw new Error(`${type} decides both ends together.`);
  switch (type) {
    case "min":
      return fold(view, Number.POSITIVE_INFINITY, Math.min);
    case "max":
      return fold(view, Number.NEGATIVE_INFINITY, Math.max);
    case "abs_max":
      return fold(view, 0, (a, b) => Math.max(a, Math.abs(b)));
    case "quantile":
      return sortedChannels(view, (x) => x).map((values) =>
        quantileOfSorted(values, side === "min" ? outlierProb : 1 - outlierProb),
      );
    case "abs_quantile":
      return sortedChannels(view, Math.abs).map((values) => quantileOfSorted(values, 1 - outlierProb));
  }
}

function fold(view: ChannelView, start: number, step: (a: number, b: number) => number): number[] {
  const folded = new Array<number>(view.channels).fill(start);
  forEachRun(view, (channel, from, to) => {
    let value = folded[channel]!;
    for (let i = from; i < to; i++) value = step(value, view.values[i]!);
    folded[channel] = value;
  });
  return folded;
}

function sortedChannels(view: ChannelView, map: (x: number) => number): Float32Array[] {
  return channelValues(view, map).map((values) => values.sort());
}

function channelValues(view: ChannelView, map: (x: number) => number): Float32Array[] {
  const size = view.values.length / view.channels;
  const channels = Array.from({ length: view.channels }, () => new Float32Array(size));
  const filled = new Array<number>(view.channels).fill(0);
  forEachRun(view, (channel, from, to) => {
    for (let i = from; i < to; i++) channels[channel]![filled[channel]!++] = map(view.values[i]!);
  });
  return channels;
}
