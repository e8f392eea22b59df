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

/** What only the finish job knows of a model that it wrote or could write; what could not be found out is left out. */
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
  /** Groups that the calibration samples keep in float, each with its reason as a clause. */
  unbounded: z.record(z.string(), z.string()).default({}),
  /** The classes of processors on which no product can saturate. */
  exactOn: z.array(z.enum(PROCESSOR_CLASSES)).optional(),
  /** Of the base and of the model that is written. */
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
  /** The base configuration; where its model cannot be made, left out. */
  base: candidateSchema.optional(),
  /** Those that could be made, best first; the first of them is what was written. */
  candidates: z.array(candidateSchema),
  /** What could not be done, a sentence each. */
  problems: z.array(z.string()).default([]),
});

export type FinishSummary = z.infer<typeof finishSummarySchema>;
