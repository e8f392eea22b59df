import { pinnedEstimator, type TuningOptions } from "./tuning-options.js";

/**
 * The options of quantizing once, without a search: nothing varies, and activations get the ranges of least error in the
 * outputs of the products behind them (`output_mse`), unless the user pins an estimator. POT's presets take the mean of
 * the samples' largest values instead, which measured worse (docs/quantization.md, "What quantize does by itself").
 */
export function presetOptions(options: TuningOptions): TuningOptions {
  const fixed: TuningOptions = { ...options, tuningScope: new Set(), estimatorScope: new Set() };
  if (pinnedEstimator(options, "activations") !== undefined) return fixed;
  return { ...fixed, activations: { ...options.activations, rangeEstimator: { preset: "output_mse" } } };
}
