export type StatisticType = "min" | "max" | "abs_max" | "quantile" | "abs_quantile";
/**
 * The estimators that place both ends where an error over all values is least (docs/reference/algorithms.md, "Range
 * estimators"), each with the histogram of a tensor that the error is computed from.
 */
export const ERROR_HISTOGRAMS = {
  mse: "histogram",
  entropy: "histogram",
  output_mse: "output_histogram",
} as const;
export type ErrorType = keyof typeof ERROR_HISTOGRAMS;
export const ERROR_TYPES = Object.keys(ERROR_HISTOGRAMS) as readonly ErrorType[];
export type EstimatorType = StatisticType | ErrorType;

export const AGGREGATORS = [
  "mean",
  "min",
  "max",
  "median",
  "mean_no_outliers",
  "median_no_outliers",
  "hl_estimator",
  "batch_mean",
  "power_of_2",
] as const;
export type Aggregator = (typeof AGGREGATORS)[number];

export function isQuantile(type: EstimatorType): boolean {
  return type === "quantile" || type === "abs_quantile";
}

/** Whether an end is where the error over all values is least, so that there is nothing to aggregate. */
export function isErrorType(type: EstimatorType): type is ErrorType {
  return Object.hasOwn(ERROR_HISTOGRAMS, type);
}

/** How one end of a range is estimated: a statistic of each sample, and what to make of it over the samples. */
export interface SideEstimator {
  readonly type: EstimatorType;
  /** Activations only: weights have one sample. */
  readonly aggregator?: Aggregator;
  /** Of the quantile types: the share of values cut off at this end. */
  readonly outlierProb?: number;
  /** The range goes no further than this (reference section 4.6, Clipping). */
  readonly clippingValue?: number;
}

/** One end that comes from a statistic of its own. */
export type StatisticEstimator = SideEstimator & { readonly type: StatisticType };
