import { quantileOfSorted } from "./quantile.js";
import type { Aggregator } from "./statistic-type.js";

/** Values beyond these quantiles over the samples count as outliers (reference section 5.2). */
const OUTLIER_QUANTILE = 0.01;

/**
 * What one number stands for a statistic over all samples (reference section 5.2).
 * @param values one a sample, at least one
 */
export function aggregate(aggregator: Aggregator, values: ArrayLike<number>): number {
  switch (aggregator) {
    // A row is one sample, and the mean over a batch of one is its value.
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

/** Half the median of the sums of all pairs i > j; of a single sample, itself. */
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
 * The smallest power of two that the largest magnitude does not exceed, with the sign of that value: an end moves
 * outwards, never across zero. POT first adds 1e-5 (reference section 5.2), which is more than a small tensor's values.
 */
function nextPowerOfTwo(values: ArrayLike<number>): number {
  const furthest = Array.from(values).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
  const power = 2 ** Math.ceil(Math.log2(Math.abs(furthest)));
  return furthest < 0 ? -power : power;
}
