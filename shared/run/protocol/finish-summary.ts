import * as z from "zod";
import { PROCESSOR_CLASSES } from "../../runtime/processor-class.js";

const scoreSchema = z.strictObject({
  value: z.number(),
  samples: z.number(),
  interval: z.tuple([z.number(), z.number()]),
});
const latencySchema = z.strictObject({
  ratio: z.number(),
  noise: z.number(),
  referenceMs: z.number(),
  candidateMs: z.number(),
});

/** What the finish job measured of one quantized model; fields that could not be measured are absent. */
const candidateSchema = z.strictObject({
  trial: z.number(),
  validation: scoreSchema.optional(),
  latency: latencySchema.optional(),
  modelBytes: z.number(),
  integerKernels: z
    .strictObject({
      quantized: z.number(),
      integer: z.number(),
      unfused: z.array(z.strictObject({ name: z.string(), type: z.string(), reason: z.string() })),
    })
    .optional(),
  /**
   * Groups (tensors that share a quantizer choice) left in float because the calibration samples give them no
   * finite range, each with its reason as a clause.
   */
  unbounded: z.record(z.string(), z.string()).default({}),
  /** Processor classes on which no integer product of the model can saturate, so that results are exact. */
  exactOn: z.array(z.enum(PROCESSOR_CLASSES)).optional(),
  /**
   * Signal-to-noise ratio in decibels of ONNX Runtime's kernels against exact arithmetic, on calibration
   * samples; only for the base configuration and the written model.
   */
  exactness: z
    .strictObject({
      decibels: z.number(),
      batches: z.number(),
      products: z.array(z.strictObject({ name: z.string(), type: z.string(), decibels: z.number() })),
    })
    .optional(),
});

export type FinishedCandidate = z.infer<typeof candidateSchema>;

export const finishSummarySchema = z.strictObject({
  floatValidation: scoreSchema.optional(),
  /** The optimization level at which the float model is fastest. */
  floatLevel: z.string().exactOptional(),
  /** Why the float model is the result, as a clause; absent where a quantized model is. */
  keepFloat: z.string().exactOptional(),
  /** Measurements of the base configuration (trial 1); absent where its model could not be made. */
  base: candidateSchema.optional(),
  /** The finalists whose models could be made, best first; the first one was written, unless the float model was. */
  candidates: z.array(candidateSchema),
  /** Problems of the finish that did not stop it, a sentence each. */
  problems: z.array(z.string()).default([]),
});

export type FinishSummary = z.infer<typeof finishSummarySchema>;
