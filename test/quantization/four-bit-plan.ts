import { weightEstimator } from "../../shared/quantization/space/range-estimator.js";

/** Symmetric 4-bit weights, a scale an output channel, of the least and greatest value. */
export const FOUR_BIT_PLAN = {
  bits: 4,
  mode: "symmetric",
  granularity: "perchannel",
  estimator: weightEstimator("default", "symmetric"),
} as const;
