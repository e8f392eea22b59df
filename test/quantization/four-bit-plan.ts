import { weightEstimator } from "../../shared/quantization/space/range-estimator.js";

/** Symmetric 4-bit weights with a scale per output channel, estimated from the largest magnitude. */
export const FOUR_BIT_PLAN = {
  bits: 4,
  mode: "symmetric",
  granularity: "perchannel",
  estimator: weightEstimator("default", "symmetric"),
} as const;
