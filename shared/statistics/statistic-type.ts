export type StatisticType = "min" | "max" | "abs_max" | "quantile" | "abs_quantile";
/**
 * Range estimators that choose both ends of the range by minimizing an error over all values, each with the
 * histogram that the error is computed from (docs/reference/algorithms.md, "Range estimators").
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
  "batch_mean",
  "mean",
  "max",
  "min",
  "median",
  "mean_no_outliers",
  "median_no_outliers",
  "hl_estimator",
  "power_of_2",
] as const;
export type Aggregator = (typeof AGGREGATORS)[number];

export function isQuantile(type: EstimatorType): boolean {
  return type === "quantile" || type === "abs_quantile";
}

/** Whether the range estimator minimizes an error over all values, so that no aggregator applies. */
export function isErrorType(type: EstimatorType): type is ErrorType {
  return Object.hasOwn(ERROR_HISTOGRAMS, type);
}

/** How one end of a quantization range is estimated: a statistic of each sample, aggregated over the samples. */
export interface SideEstimator {
  readonly type: EstimatorType;
  /** How the samples' values are combined. For activations only: weights have a single value per statistic. */
  readonly aggregator?: Aggregator;
  /** For the quantile types: the share of values cut off at this end. */
  readonly outlierProb?: number;
  /** Limit (in the tensor's unit) beyond which this end of the range never lies. */
  readonly clippingValue?: number;
}

/** An estimator of one end of a range from a statistic per sample, as opposed to an {@link ErrorType}. */
export type StatisticEstimator = SideEstimator & { readonly type: StatisticType };
