import type { Granularity, Mode } from "./hardware.js";

export type StatisticType = "min" | "max" | "abs_max" | "quantile" | "abs_quantile";
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

/** How one end of a range is estimated: a statistic of each sample, and what to make of it over the samples. */
export interface SideEstimator {
  readonly type: StatisticType;
  /** Activations only: weights have one sample. */
  readonly aggregator?: Aggregator;
  /** Of the quantile types: the share of values cut off at this end. */
  readonly outlierProb?: number;
  /** The range goes no further than this (reference section 4.6, Clipping). */
  readonly clippingValue?: number;
}

/** `min` is absent for symmetric weights, whose range follows from the largest magnitude alone. */
export interface RangeEstimator {
  readonly min?: SideEstimator;
  readonly max: SideEstimator;
}

export type EstimatorPreset = "default" | "quantile";

/** The share of values that the `quantile` preset cuts off (reference section 5.3). */
export const DEFAULT_OUTLIER_PROB = 1e-4;

/** The estimator of a preset for activations (reference section 5.3). */
export function activationEstimator(
  preset: EstimatorPreset,
  mode: Mode,
  granularity: Granularity,
): RangeEstimator {
  const perChannel = granularity === "perchannel";
  const quantile = preset === "quantile";
  switch (mode) {
    case "symmetric":
      return {
        min: { type: "min", aggregator: "min" },
        max: side(quantile ? "abs_quantile" : "abs_max", perChannel ? "max" : "mean"),
      };
    case "asymmetric":
      return {
        min: side(quantile ? "quantile" : "min", perChannel ? "min" : "mean"),
        max: side(quantile ? "quantile" : "max", perChannel ? "max" : "mean"),
      };
  }
}

/** The estimator of a preset for weights (reference section 5.3). */
export function weightEstimator(preset: EstimatorPreset, mode: Mode): RangeEstimator {
  const quantile = preset === "quantile";
  switch (mode) {
    case "symmetric":
      return { max: side(quantile ? "abs_quantile" : "abs_max") };
    case "asymmetric":
      return { min: side(quantile ? "quantile" : "min"), max: side(quantile ? "quantile" : "max") };
  }
}

export function isQuantile(type: StatisticType): boolean {
  return type === "quantile" || type === "abs_quantile";
}

function side(type: StatisticType, aggregator?: Aggregator): SideEstimator {
  return {
    type,
    ...(aggregator === undefined ? {} : { aggregator }),
    ...(isQuantile(type) ? { outlierProb: DEFAULT_OUTLIER_PROB } : {}),
  };
}
