import type { EstimatorPreset } from "./range-estimator.js";
import { pinnedEstimator, type TuningOptions } from "./tuning-options.js";

/**
 * The presets of activations' estimators that quantizing without a search tries, from one pass over the samples. The
 * error of the outputs comes first, as it was closest most often; POT's own guards against ranges that cut off what a
 * model cannot do without (docs/quantization.md, "What quantize does by itself").
 */
export const TRIED_PRESETS: readonly EstimatorPreset[] = ["output_mse", "mse", "entropy", "default"];

/**
 * The options of quantizing without a search: nothing varies but the preset of activations, if none is pinned, and the
 * form of the codes of weights, where the device has several.
 */
export function presetOptions(options: TuningOptions): TuningOptions {
  if (!triesPresets(options)) return { ...options, tuningScope: new Set(), estimatorScope: new Set() };
  return {
    ...options,
    tuningScope: new Set(["range_estimator", "codes"]),
    estimatorScope: new Set(["preset"]),
    presetChoices: TRIED_PRESETS,
  };
}

/** Whether the user leaves the estimators of activations open. */
export function triesPresets(options: TuningOptions): boolean {
  return pinnedEstimator(options, "activations") === undefined;
}
