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
  /** `pruned`: stopped by the race after `samples` samples. */
  state: z.enum(["complete", "pruned"]),
  rows: packedRowsSchema,
  /** Samples scored, the rows' count. */
  samples: z.int().min(0),
  /**
   * Of what the race stopped: the mean difference to the float model's rows that it could still have ended with, by the
   * chance below which a trial is stopped.
   */
  reachable: z.number().exactOptional(),
  /** Of the quantized tensors. */
  bytes: z.number().min(0),
  quantizedShare: quantizedShareSchema,
  /** The part of it that has no integer kernel, if there is one. */
  simulatedShare: quantizedShareSchema.exactOptional(),
  /** Where integer kernels of the worker can saturate: decibels between the model as it ran and exact arithmetic. */
  saturation: z.number().exactOptional(),
  /** `ratio`: float latency over this model's, measured in turn; `noise`: its relative standard error. */
  latency: z.strictObject({ ratio: z.number().gt(0), noise: z.number().min(0) }).optional(),
  timings: timingsSchema,
});

export type MeasuredOutcome = Readonly<z.infer<typeof measuredOutcomeSchema>>;
