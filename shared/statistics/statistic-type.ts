export type StatisticType = "min" | "max" | "abs_max" | "quantile" | "abs_quantile";
/** Both ends where the error over all values is least (docs/quantization.md, "Range estimators"). */
export const ERROR_TYPES = ["mse", "entropy", "output_mse"] as const;
export type ErrorType = (typeof ERROR_TYPES)[number];
export type EstimatorType = StatisticType | ErrorType;
export type Aggregator =
  | "mean"
  | "max"
  | "min"
  | "median"
  | "mean_no_outliers"
  | "median_no_outliers"
  | "hl_estimator"
  | "batch_mean"
  | "power_of_2";

export function isQuantile(type: EstimatorType): boolean {
  return type === "quantile" || type === "abs_quantile";
}

/** Whether an end is where the error over all values is least, so that there is nothing to aggregate. */
export function isErrorType(type: EstimatorType): type is ErrorType {
  return ERROR_TYPES.some((error) => error === type);
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
