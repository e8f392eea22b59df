import type { SideEstimator } from "../../statistics/statistic-type.js";
import type { CodeForm, Granularity, Mode, PresetName, Scheme } from "../device/hardware.js";
import type { EstimatorPreset, RangeEstimator } from "./range-estimator.js";

export type TuningScope = "bits" | "mode" | "granularity" | "codes" | "layer" | "range_estimator";
export type EstimatorScope = "preset" | "aggregator" | "type" | "outlier_prob";

/** Fields of a range estimator that the configuration pins; the others come from the preset. */
export interface EstimatorOverrides {
  readonly preset?: EstimatorPreset;
  readonly min?: Partial<SideEstimator>;
  readonly max?: Partial<SideEstimator>;
}

/** Fields that the configuration pins for all weights or all activations. */
export interface TensorOverrides {
  readonly bits?: Scheme["bits"];
  readonly mode?: Mode;
  readonly granularity?: Granularity;
  /** The form of 8-bit codes, for weights only. */
  readonly codes?: CodeForm;
  readonly levels?: NonNullable<Scheme["levels"]>;
  readonly rangeEstimator?: EstimatorOverrides;
}

/**
 * The parameters of TunableQuantization (docs/reference/algorithms.md, "Tunable parameters"); with empty
 * scopes nothing varies.
 */
export interface TuningOptions {
  readonly preset: PresetName;
  readonly tuningScope: ReadonlySet<TuningScope>;
  readonly estimatorScope: ReadonlySet<EstimatorScope>;
  readonly outlierProbChoices: readonly number[];
  /**
   * The presets of range estimators that the scope `preset` chooses from besides the base's own; POT's two when
   * left out.
   */
  readonly presetChoices?: readonly EstimatorPreset[];
  readonly weights: TensorOverrides;
  readonly activations: TensorOverrides;
  readonly rangeEstimator?: EstimatorOverrides;
  /**
   * Set by `model_type: "transformer"`: both operands of products of two activations are symmetric,
   * overriding a pinned mode, and their range estimators accordingly.
   */
  readonly symmetricProducts?: boolean;
}

const POT_PRESETS: readonly EstimatorPreset[] = ["default", "quantile"];

/**
 * The range estimator that the configuration pins for weights or activations: from their own section, otherwise
 * from the common one.
 */
export function pinnedEstimator(
  options: TuningOptions,
  tensor: "activations" | "weights",
): EstimatorOverrides | undefined {
  return options[tensor].rangeEstimator ?? options.rangeEstimator;
}

/** A preset's range estimator with the fields replaced that the configuration pins. */
export function overrideEstimator(
  estimator: RangeEstimator,
  overrides: EstimatorOverrides | undefined,
): RangeEstimator {
  if (overrides === undefined) return estimator;
  return {
    ...(estimator.min === undefined ? {} : { min: { ...estimator.min, ...overrides.min } }),
    max: { ...estimator.max, ...overrides.max },
  };
}

/** The presets of range estimators that the search may choose from, the base's own first. */
export function tunedPresets(options: TuningOptions, tensor: "activations" | "weights"): EstimatorPreset[] {
  const base = pinnedEstimator(options, tensor)?.preset ?? "default";
  const isTuned = options.tuningScope.has("range_estimator") && options.estimatorScope.has("preset");
  return isTuned ? [...new Set([base, ...(options.presetChoices ?? POT_PRESETS)])] : [base];
}
