import type { SideEstimator } from "../../statistics/statistic-type.js";
import type { CodeForm, Granularity, Mode, PresetName, Scheme } from "../device/hardware.js";
import type { EstimatorPreset, RangeEstimator } from "./range-estimator.js";

export type TuningScope = "bits" | "mode" | "granularity" | "codes" | "layer" | "range_estimator";
export type EstimatorScope = "preset" | "aggregator" | "type" | "outlier_prob";

/** What the user pins of a range estimator; the rest comes from the preset (reference section 5.3). */
export interface EstimatorOverrides {
  readonly preset?: EstimatorPreset;
  readonly min?: Partial<SideEstimator>;
  readonly max?: Partial<SideEstimator>;
}

/** What the user pins of all weights or all activations. */
export interface TensorOverrides {
  readonly bits?: Scheme["bits"];
  readonly mode?: Mode;
  readonly granularity?: Granularity;
  /** Of weights. */
  readonly codes?: CodeForm;
  readonly levels?: NonNullable<Scheme["levels"]>;
  readonly rangeEstimator?: EstimatorOverrides;
}

/** The parameters of TunableQuantization (reference section 3.1); empty scopes leave the preset alone. */
export interface TuningOptions {
  readonly preset: PresetName;
  readonly tuningScope: ReadonlySet<TuningScope>;
  readonly estimatorScope: ReadonlySet<EstimatorScope>;
  readonly outlierProbChoices: readonly number[];
  /** The presets that scope `preset` chooses from beside the base's own; POT's two when left out. */
  readonly presetChoices?: readonly EstimatorPreset[];
  readonly weights: TensorOverrides;
  readonly activations: TensorOverrides;
  readonly rangeEstimator?: EstimatorOverrides;
  /**
   * What `model_type: "transformer"` forces: both operands of a product of two activations are symmetric, whatever is
   * pinned; the estimator follows (reference section 4.3).
   */
  readonly symmetricProducts?: boolean;
}

const POT_PRESETS: readonly EstimatorPreset[] = ["default", "quantile"];

/** What the user pins of the estimators of weights or activations: their own section, or the one for both. */
export function pinnedEstimator(
  options: TuningOptions,
  tensor: "activations" | "weights",
): EstimatorOverrides | undefined {
  return options[tensor].rangeEstimator ?? options.rangeEstimator;
}

/** A preset's estimator with the user's fields put over it. */
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

/** The presets that the scope leaves to choose from, the base's own first. */
export function tunedPresets(options: TuningOptions, tensor: "activations" | "weights"): EstimatorPreset[] {
  const base = pinnedEstimator(options, tensor)?.preset ?? "default";
  const isTuned = options.tuningScope.has("range_estimator") && options.estimatorScope.has("preset");
  return isTuned ? [...new Set([base, ...(options.presetChoices ?? POT_PRESETS)])] : [base];
}
