import { quantileOfSorted } from "./quantile.js";
import type { Aggregator } from "./statistic-type.js";

/**
 * Per-sample values below this quantile over the samples, or above 1 minus it, are outliers that the
 * `no_outliers` aggregators leave out.
 */
const OUTLIER_QUANTILE = 0.01;

/**
 * Combines a statistic's values of all calibration samples into one number (docs/reference/algorithms.md,
 * "Aggregators").
 *
 * @param values one per sample, at least one
 */
export function aggregate(aggregator: Aggregator, values: ArrayLike<number>): number {
  switch (aggregator) {
    // Each value is of a single sample, so the mean over its batch is the value itself.
    case "batch_mean":
    case "mean":
      return mean(Array.from(values));
    case "max":
      return Array.from(values).reduce((a, b) => Math.max(a, b));
    case "min":
      return Array.from(values).reduce((a, b) => Math.min(a, b));
    case "median":
      return quantileOfSorted(sorted(values), 0.5);
    case "mean_no_outliers":
      return mean(withoutOutliers(values));
    case "median_no_outliers":
      return quantileOfSorted(withoutOutliers(values), 0.5);
    case "hl_estimator":
      return hodgesLehmann(values);
    case "power_of_2":
      return nextPowerOfTwo(values);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).sort();
}

function withoutOutliers(values: ArrayLike<number>): number[] {
  const ascending = sorted(values);
  const low = quantileOfSorted(ascending, OUTLIER_QUANTILE);
  const high = quantileOfSorted(ascending, 1 - OUTLIER_QUANTILE);
  const kept = Array.from(ascending).filter((value) => value >= low && value <= high);
  return kept.length > 0 ? kept : Array.from(ascending);
}

/**
 * Hodges-Lehmann estimator of the values' centre: half the median of the sums of all pairs i > j; the value
 * itself for a single sample.
 */
function hodgesLehmann(values: ArrayLike<number>): number {
  if (values.length === 1) return values[0]!;
  const sums = new Float64Array((values.length * (values.length - 1)) / 2);
  let k = 0;
  for (let i = 1; i < values.length; i++) {
    for (let j = 0; j < i; j++) sums[k++] = values[i]! + values[j]!;
  }
  return quantileOfSorted(sums.sort(), 0.5) / 2;
}

/**
 * The value of largest magnitude, rounded away from zero to a power of two. Unlike POT, no 1e-5 is added
 * before rounding, as that would exceed the values of small tensors (docs/reference/algorithms.md,
 * "Differences from POT").
 */
function nextPowerOfTwo(values: ArrayLike<number>): number {
  const furthest = Array.from(values).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
  const power = 2 ** Math.ceil(Math.log2(Math.abs(furthest)));
  return furthest < 0 ? -power : power;
}
