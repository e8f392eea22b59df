export type StatisticType = "min" | "max" | "abs_max" | "quantile" | "abs_quantile";
/** Estimators that choose both ends of the range by minimizing the quantization error over all values. */
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

/** Whether the estimator minimizes the error over all values, so that no aggregator applies. */
export function isErrorType(type: EstimatorType): type is ErrorType {
  return ERROR_TYPES.some((error) => error === type);
}

/** How one end of a range is estimated: a statistic of each sample, aggregated over the samples. */
export interface SideEstimator {
  readonly type: EstimatorType;
  /** For activations only: weights have a single value per statistic. */
  readonly aggregator?: Aggregator;
  /** For the quantile types: the share of values cut off at this end. */
  readonly outlierProb?: number;
  /** Limit of this end of the range. */
  readonly clippingValue?: number;
}

/** An estimator of one end from a statistic per sample, as opposed to an {@link ErrorType}. */
export type StatisticEstimator = SideEstimator & { readonly type: StatisticType };
