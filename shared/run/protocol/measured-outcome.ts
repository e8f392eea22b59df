import * as z from "zod";
import { packedRowsSchema } from "./rows.js";

const seconds = z.number().min(0);

const quantizedShareSchema = z.strictObject({
  byCount: z.number().min(0).max(1),
  byParameters: z.number().min(0).max(1),
});

const timingsSchema = z.strictObject({
  quantize: seconds,
  session: seconds,
  inference: seconds,
  total: seconds,
});

export const measuredOutcomeSchema = z.strictObject({
  /**
   * `complete`: the shard was scored to its end; `pruned`: scoring was stopped early, after `samples`
   * samples.
   */
  state: z.enum(["complete", "pruned"]),
  rows: packedRowsSchema,
  /** Number of samples scored, equal to the number of rows (per-sample scores). */
  samples: z.int().min(0),
  /**
   * Of a pruned trial: the best difference of its metric to the float model's that it could have reached on
   * all samples (a confidence bound), which fell short of what it had to reach.
   */
  reachable: z.number().exactOptional(),
  /** Size of the quantized model in bytes. */
  bytes: z.number().min(0),
  quantizedShare: quantizedShareSchema,
  /**
   * Share of the ops that are quantized but have no integer kernel, simulated by QuantizeLinear and
   * DequantizeLinear; absent where it is 0.
   */
  simulatedShare: quantizedShareSchema.exactOptional(),
  /**
   * Signal-to-noise ratio in decibels of the model as it ran against exact arithmetic; only where the
   * worker's integer kernels can saturate.
   */
  saturation: z.number().exactOptional(),
  /**
   * `ratio`: latency of the float model divided by this model's, measured alternately; `noise`: relative
   * standard error of the ratio.
   */
  latency: z.strictObject({ ratio: z.number().gt(0), noise: z.number().min(0) }).optional(),
  timings: timingsSchema,
});

export type MeasuredOutcome = Readonly<z.infer<typeof measuredOutcomeSchema>>;
