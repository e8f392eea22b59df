import type { OccupiedBins } from "../../statistics/histogram.js";
import type { ErrorType } from "../../statistics/statistic-type.js";

/** A quantizer's grid of codes 0 … `top`, which represent evenly spaced real values from `low` to `high`. */
export interface CodeGrid {
  readonly low: number;
  readonly high: number;
  readonly top: number;
}

/**
 * The error of quantizing a histogram's values to a grid of codes: the sum of squared errors, or for `entropy`
 * the relative entropy. Lower is better; errors are comparable only for the same type and values.
 */
export function quantizationError(type: ErrorType, bins: OccupiedBins, grid: CodeGrid): number {
  switch (type) {
    case "mse":
    case "output_mse":
      return squaredError(bins, grid);
    case "entropy":
      return relativeEntropy(bins, grid);
  }
}

/**
 * Sum over all values of the squared distance to the nearest code, with values taken as uniform within their
 * bin. With u the distance from the first code in steps and k the code nearest to u, the integral of the
 * squared distance is k / 12 + (u - k)^3 / 3; beyond the first and last code k stays constant.
 */
function squaredError({ width, lows, counts }: OccupiedBins, { low, high, top }: CodeGrid): number {
  const step = (high - low) / top;
  const stepsPerBin = width / step;
  let sum = 0;
  for (let i = 0; i < lows.length; i++) {
    const begin = (lows[i]! - low) / step;
    sum += counts[i]! * (integral(begin + stepsPerBin, top) - integral(begin, top));
  }
  return (sum / stepsPerBin) * step ** 2;
}

function integral(u: number, top: number): number {
  const code = Math.min(top, Math.max(0, Math.round(u)));
  return code / 12 + (u - code) ** 3 / 3;
}

/**
 * Kullback-Leibler divergence of the quantized distribution from that of the values, as in TensorRT's
 * calibration (Migacz, "8-bit Inference with TensorRT", 2017): values outside the grid are counted in its
 * outermost bins, and the quantized distribution spreads each code's share evenly over the occupied bins that
 * round to the code. Infinite where a step is narrower than a bin, since the divergence would then be 0 for
 * any grid.
 */
function relativeEntropy({ width, lows, counts }: OccupiedBins, { low, high, top }: CodeGrid): number {
  const step = (high - low) / top;
  if (step < width) return Number.POSITIVE_INFINITY;
  const codes = Array.from(lows, (begin) => Math.round((begin + width / 2 - low) / step));
  const first = codes.findIndex((code) => code >= 0);
  const last = codes.findLastIndex((code) => code <= top);
  if (first < 0 || last < first) return Number.POSITIVE_INFINITY;
  const below = total(counts, 0, first);
  const inside = total(counts, first, last + 1);
  const above = total(counts, last + 1, counts.length);
  let divergence = 0;
  for (let begin = first, end: number; begin <= last; begin = end) {
    end = begin + 1;
    while (end <= last && codes[end] === codes[begin]) end++;
    const quantized = total(counts, begin, end) / (end - begin) / inside;
    for (let i = begin; i < end; i++) {
      const beyond = (i === first ? below : 0) + (i === last ? above : 0);
      const share = (counts[i]! + beyond) / (below + inside + above);
      divergence += share * Math.log(share / quantized);
    }
  }
  return divergence;
}

function total(counts: Float64Array, begin: number, end: number): number {
  let sum = 0;
  for (let i = begin; i < end; i++) sum += counts[i]!;
  return sum;
}
