import type { EstimatorPreset } from "./range-estimator.js";
import { pinnedEstimator, type TuningOptions } from "./tuning-options.js";

/**
 * Presets of activation range estimators that `quantize` tries, all from one pass over the samples.
 * `output_mse` comes first, as it was measured to be closest to float most often; POT's `default` covers
 * models that do not tolerate clipped ranges.
 */
export const TRIED_PRESETS: readonly EstimatorPreset[] = ["output_mse", "mse", "entropy", "default"];

/**
 * Options of `quantize`, without a search: only the preset of activation estimators varies, unless one is
 * pinned, and the form of weight codes, where the device has several.
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

/** Whether the configuration pins no range estimator of activations. */
export function triesPresets(options: TuningOptions): boolean {
  return pinnedEstimator(options, "activations") === undefined;
}
