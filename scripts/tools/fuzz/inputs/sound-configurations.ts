import type { Json } from "./json-mutation.js";

const TUNABLE = {
  name: "TunableQuantization",
  params: {
    preset: "mixed",
    tuning_scope: ["layer", "mode", "granularity", "range_estimator"],
    estimator_tuning_scope: ["preset", "outlier_prob"],
    outlier_prob_choices: [1e-3, 1e-4],
    stat_subset_size: 4,
    ignored: { scope: ["stem"], operations: [{ type: "Add" }] },
  },
};

/** Lists of algorithms of valid configurations. */
export const ALGORITHMS: readonly (readonly Json[])[] = [
  [TUNABLE],
  [{ name: "ActivationChannelAlignment" }, TUNABLE, { name: "FastBiasCorrection", params: { tune: true } }],
  [
    { name: "CrossLayerEqualization", params: {} },
    { name: "MinMaxQuantization", params: { preset: "performance" } },
  ],
  [{ name: "DefaultQuantization", params: { preset: "accuracy", use_fast_bias: false } }],
  [
    {
      name: "MinMaxQuantization",
      params: {
        weights: { bits: 8, mode: "symmetric", granularity: "perchannel" },
        activations: { bits: 8, mode: "asymmetric" },
        range_estimator: { preset: "quantile" },
      },
    },
    { name: "BiasCorrection" },
  ],
];

export const DEVICES = ["CPU", "GPU", "VPU", "NPU", "GNA", "ANY", "CPU_SPR"];

/**
 * A valid configuration for the small network, with content in every section.
 * @param algorithms one of `ALGORITHMS`
 */
export function soundConfiguration(algorithms: readonly Json[], device: string): Json {
  const inputs = { x: { data: "x.npy", scale: 1, mean: [0], std: [1] } };
  return {
    model: { model_name: "net", model: "model.onnx" },
    engine: {
      calibration: { inputs },
      evaluation: { inputs, labels: { data: "y.npy", rows: [0, 6] } },
      metric: { name: "accuracy", top_k: 1 },
      batch_size: 4,
      session: { graphOptimizationLevel: "all", intraOpNumThreads: 1 },
    },
    optimizer: {
      name: "Tpe",
      params: {
        max_trials: 2,
        accuracy_loss: 50,
        objective: "constrained",
        minimize: "size",
        seed: 1,
        benchmark: { duration_seconds: 0.05 },
      },
    },
    compression: { target_device: device, algorithms },
  };
}

/** A configuration for a model without labels. */
export function unlabelledConfiguration(inputs: readonly string[], algorithms: readonly Json[]): Json {
  const arrays = Object.fromEntries(inputs.map((name, i) => [name, `input-${i}.npy`]));
  return {
    model: { model: "model.onnx" },
    engine: {
      calibration: { inputs: arrays },
      evaluation: { inputs: arrays },
      metric: { name: "sqnr" },
    },
    optimizer: { params: { max_trials: 2, minimize: "size", benchmark: { duration_seconds: 0.05 } } },
    compression: { algorithms },
  };
}
