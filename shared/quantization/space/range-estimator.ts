import type { SideEstimator } from "../../statistics/statistic-type.js";
import {
  type Aggregator,
  ERROR_TYPES,
  type ErrorType,
  type EstimatorType,
  isErrorType,
  isQuantile,
} from "../../statistics/statistic-type.js";
import type { Granularity, Mode } from "../device/hardware.js";

/**
 * How both ends of a quantization range are estimated; symmetric weights have no `min`, as only the largest
 * magnitude matters.
 */
export interface RangeEstimator {
  readonly min?: SideEstimator;
  readonly max: SideEstimator;
}

/**
 * Names of range estimator presets: POT's two, and one per type of error (docs/reference/algorithms.md,
 * "Range estimators").
 */
export const ESTIMATOR_PRESETS = ["default", "quantile", ...ERROR_TYPES] as const;
export type EstimatorPreset = (typeof ESTIMATOR_PRESETS)[number];

type EndTypes = Readonly<Record<"min" | "max" | "magnitude", EstimatorType>>;

/** The statistic or error by which a preset estimates lower ends, upper ends and symmetric magnitudes of ranges. */
function typesOf(preset: EstimatorPreset): EndTypes {
  switch (preset) {
    case "default":
      return { min: "min", max: "max", magnitude: "abs_max" };
    case "quantile":
      return { min: "quantile", max: "quantile", magnitude: "abs_quantile" };
    default:
      return { min: preset, max: preset, magnitude: preset };
  }
}

/** The share of values that the `quantile` preset cuts off at each end. */
export const DEFAULT_OUTLIER_PROB = 1e-4;

/** The range estimator of a preset for activations. */
export function activationEstimator(
  preset: EstimatorPreset,
  mode: Mode,
  granularity: Granularity,
): RangeEstimator {
  const { min, max, magnitude } = typesOf(preset);
  const perChannel = granularity === "perchannel";
  switch (mode) {
    case "symmetric":
      return {
        min: { type: "min", aggregator: "min" },
        max: side(magnitude, perChannel ? "max" : "mean"),
      };
    case "asymmetric":
      return {
        min: side(min, perChannel ? "min" : "mean"),
        max: side(max, perChannel ? "max" : "mean"),
      };
  }
}

/** The range estimator of a preset for weights. */
export function weightEstimator(preset: EstimatorPreset, mode: Mode): RangeEstimator {
  const { min, max, magnitude } = typesOf(preset);
  switch (mode) {
    case "symmetric":
      return { max: side(magnitude) };
    case "asymmetric":
      return { min: side(min), max: side(max) };
  }
}

/** The type of error that a range estimator minimizes; `undefined` where both ends come from statistics. */
export function leastError({ min, max }: RangeEstimator): ErrorType | undefined {
  return [max.type, min?.type ?? max.type].find(isErrorType);
}

function side(type: EstimatorType, aggregator?: Aggregator): SideEstimator {
  return {
    type,
    ...(aggregator === undefined ? {} : { aggregator }),
    ...(isQuantile(type) ? { outlierProb: DEFAULT_OUTLIER_PROB } : {}),
  };
}
