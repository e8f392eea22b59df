import * as z from "zod";
import {
  runIdSchema,
  sha256Schema,
  shardSchema,
  storeKeySchema,
  timestampSchema,
  trialNumberSchema,
} from "../../basics/identifiers.js";
import { failedOutcomeSchema } from "./failed-outcome.js";
import { limitsSchema } from "./limits.js";
import { measuredOutcomeSchema } from "./measured-outcome.js";
import { configurationSchema, type RunRequest, runRequestSchema } from "./request.js";

/** Incremented when the meaning of a message changes; receivers refuse every other version. */
export const MESSAGE_VERSION = 1;

const MAX_ATTEMPTS = 1_000;
const MAX_GROUPS = 16_384;
const MAX_OBJECTS = 1_000;

const version = z.literal(MESSAGE_VERSION);
const attempt = z.int().min(1).max(MAX_ATTEMPTS);
const seconds = z.number().min(0);
const workerSchema = z.string().min(1).max(256);

// Jobs are the messages to workers. Sending one twice is harmless: run, trial, shard and attempt identify it.

export const statisticsJobSchema = z.strictObject({
  version,
  type: z.literal("statistics"),
  runId: runIdSchema,
  attempt,
  shard: shardSchema,
  key: storeKeySchema,
  deadline: timestampSchema,
});

/** Trials beside the float model and the incumbent whose rows a worker fetches for early stopping. */
const MAX_RACE_PEERS = 16;

const raceSchema = z.strictObject({
  /** Key of the float model's rows for this shard. */
  referenceScores: storeKeySchema,
  incumbent: z
    .strictObject({
      trial: trialNumberSchema,
      /** Key of the incumbent's rows for this shard. */
      scores: storeKeySchema,
      bytes: z.number().min(0),
      latencyRatio: z.number().gt(0).optional(),
    })
    .optional(),
  /** Keys of other complete trials' rows for this shard, used as control variates. */
  peerScores: z.array(storeKeySchema).max(MAX_RACE_PEERS),
  /** This shard's part of the probability of stopping a trial wrongly. */
  delta: z.number().gt(0).lt(1),
});

const digestSchema = z.string().regex(/^[0-9a-f]{12}$/);

export const trialJobSchema = z.strictObject({
  version,
  type: z.literal("trial"),
  runId: runIdSchema,
  trial: trialNumberSchema,
  attempt,
  /** `null` is the float model. */
  configuration: configurationSchema.nullable(),
  /** Digest of a configuration that the sampler proposed; the report repeats it (configuration-digest.ts). */
  digest: digestSchema.exactOptional(),
  shard: shardSchema,
  /** What early stopping compares the trial with; absent where the trial is scored to its end. */
  race: raceSchema.optional(),
  measureLatency: z.boolean(),
  /**
   * Time after which the job is taken for lost and sent again. A late answer still counts if it is the first.
   */
  deadline: timestampSchema,
});

const candidateSchema = z.strictObject({
  trial: trialNumberSchema,
  configuration: configurationSchema,
});

export const finishJobSchema = z.strictObject({
  version,
  type: z.literal("finish"),
  runId: runIdSchema,
  attempt,
  /** Configuration of trial 1, which the result compares the best trial with. */
  base: configurationSchema,
  /** Best first; empty where no quantized trial is complete. */
  candidates: z.array(candidateSchema).max(100),
  /** How many of the candidates, from the first on, meet the accuracy bound; all of them when left out. */
  withinBound: z.int().min(0).max(100).exactOptional(),
  deadline: timestampSchema,
});

export const jobSchema = z.discriminatedUnion("type", [statisticsJobSchema, trialJobSchema, finishJobSchema]);

export type StatisticsJob = Readonly<z.infer<typeof statisticsJobSchema>>;
export type TrialJob = Readonly<z.infer<typeof trialJobSchema>>;
export type FinishJob = Readonly<z.infer<typeof finishJobSchema>>;
export type Job = StatisticsJob | TrialJob | FinishJob;
export type EarlyStoppingReference = z.infer<typeof raceSchema>;

// Events are the messages to the reducer. `at` is the sender's clock; the reducer has no other clock.

const eventBase = { version, runId: runIdSchema, at: timestampSchema };
const billedSchema = z.strictObject({
  milliseconds: z.number().min(0),
  /** Memory of the function, which determines the price per second. */
  megabytes: z.int().min(1).max(1_000_000),
  architecture: z.enum(["arm64", "x86_64"]),
});
/** The billed time of the job; absent where work is not billed. */
const billed = { billed: billedSchema.optional() };
/** Instruction set of the processor that computed the outcome. */
const isa = z.string().min(1).max(64);

export const runRequestedSchema = z
  .strictObject({
    ...eventBase,
    type: z.literal("RunRequested"),
    request: runRequestSchema,
  })
  .refine(({ runId, request }) => runId === request.runId, {
    error: "the run that is requested has another name than the message",
    path: ["request", "runId"],
  });

/**
 * The process that held the jobs has ended: all unanswered jobs are sent again and do not count as overdue.
 */
export const runResumedSchema = z.strictObject({
  ...eventBase,
  type: z.literal("RunResumed"),
  /** New limits; the run's limits stay as they are where this is absent. */
  limits: limitsSchema.exactOptional(),
});

export const statisticsReportedSchema = z.strictObject({
  ...eventBase,
  ...billed,
  type: z.literal("StatisticsReported"),
  attempt,
  shard: shardSchema,
  outcome: z.discriminatedUnion("state", [
    z.strictObject({
      state: z.literal("complete"),
      /** Quantization error per group; larger is more sensitive. Over shards the maximum is taken. */
      sensitivity: z
        .record(z.string().max(1_024), z.number())
        .refine((groups) => Object.keys(groups).length <= MAX_GROUPS)
        .optional(),
      seconds,
    }),
    failedOutcomeSchema,
  ]),
});

export const trialReportedSchema = z.strictObject({
  ...eventBase,
  ...billed,
  type: z.literal("TrialReported"),
  trial: trialNumberSchema,
  /** The digest of the job. */
  digest: digestSchema.exactOptional(),
  attempt,
  shard: shardSchema,
  worker: workerSchema,
  /**
   * Instruction set of the processor that computed the outcome: integer results differ between instruction
   * sets.
   */
  isa,
  outcome: z.discriminatedUnion("state", [measuredOutcomeSchema, failedOutcomeSchema]),
});

export const tickSchema = z.strictObject({ ...eventBase, type: z.literal("Tick") });

export const cancelRequestedSchema = z.strictObject({ ...eventBase, type: z.literal("CancelRequested") });

const writtenObjectSchema = z.strictObject({
  key: z.string().min(1).max(1_024),
  bytes: z.number().min(0),
  sha256: sha256Schema.optional(),
});

export const finishReportedSchema = z.strictObject({
  ...eventBase,
  ...billed,
  type: z.literal("FinishReported"),
  attempt,
  /** Instruction set that computed the validation scores. */
  isa,
  outcome: z.discriminatedUnion("state", [
    z.strictObject({
      state: z.literal("complete"),
      /** The candidate whose model was written; `null` where there was no candidate. */
      best: trialNumberSchema.nullable(),
      validation: z.array(z.strictObject({ trial: trialNumberSchema, value: z.number() })).max(101),
      objects: z.array(writtenObjectSchema).max(MAX_OBJECTS),
    }),
    failedOutcomeSchema,
  ]),
});

export const eventSchema = z.discriminatedUnion("type", [
  runRequestedSchema,
  runResumedSchema,
  statisticsReportedSchema,
  trialReportedSchema,
  tickSchema,
  cancelRequestedSchema,
  finishReportedSchema,
]);

export type Billed = Readonly<z.infer<typeof billedSchema>>;
export type RunRequested = Readonly<Omit<z.infer<typeof runRequestedSchema>, "request">> & {
  readonly request: RunRequest;
};
export type RunResumed = Readonly<z.infer<typeof runResumedSchema>>;
export type StatisticsReported = Readonly<z.infer<typeof statisticsReportedSchema>>;
export type TrialReported = Readonly<z.infer<typeof trialReportedSchema>>;
export type Tick = Readonly<z.infer<typeof tickSchema>>;
export type CancelRequested = Readonly<z.infer<typeof cancelRequestedSchema>>;
export type FinishReported = Readonly<z.infer<typeof finishReportedSchema>>;
export type RunEvent =
  | RunRequested
  | RunResumed
  | StatisticsReported
  | TrialReported
  | Tick
  | CancelRequested
  | FinishReported;
/** The answer to a job. */
export type JobReport = StatisticsReported | TrialReported | FinishReported;
