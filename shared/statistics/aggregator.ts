import type { Aggregator } from "../quantization/range-estimator.js";
import { quantileOfSorted } from "./quantile.js";

/** Values beyond these quantiles over the samples count as outliers (reference section 5.2). */
const OUTLIER_QUANTILE = 0.01;

/**
 * What one number stands for a statistic over all samples (reference section 5.2).
 * @param values one a sample, at least one
 */
export function aggregate(aggregator: Aggregator, values: ArrayLike<number>): number {
  switch (aggregator) {
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
