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

// Jobs are the coordinator's messages to workers. Sending one twice is harmless: run, trial, shard and
// attempt identify it.

export const statisticsJobSchema = z.strictObject({
  version,
  type: z.literal("statistics"),
  runId: runIdSchema,
  attempt,
  shard: shardSchema,
  key: storeKeySchema,
  deadline: timestampSchema,
});

/**
 * Maximum number of peers (other complete trials that a trial is compared with) whose rows (per-sample
 * scores) a worker fetches for early stopping.
 */
const MAX_RACE_PEERS = 16;

const raceSchema = z.strictObject({
  /**
   * Store key of the float model's rows (per-sample scores) of this shard (a worker's part of the samples).
   */
  referenceScores: storeKeySchema,
  incumbent: z
    .strictObject({
      trial: trialNumberSchema,
      /** Store key of the rows (per-sample scores) of this shard of the incumbent (the best trial so far). */
      scores: storeKeySchema,
      bytes: z.number().min(0),
      latencyRatio: z.number().gt(0).optional(),
    })
    .optional(),
  /**
   * Store keys of peers' rows (per-sample scores of other complete trials) of this shard, used as control
   * variates.
   */
  peerScores: z.array(storeKeySchema).max(MAX_RACE_PEERS),
  /** This shard's part of the probability of stopping a trial wrongly, between 0 and 1. */
  delta: z.number().gt(0).lt(1),
});

const digestSchema = z.string().regex(/^[0-9a-f]{12}$/);

export const trialJobSchema = z.strictObject({
  version,
  type: z.literal("trial"),
  runId: runIdSchema,
  trial: trialNumberSchema,
  attempt,
  /** The configuration to score; `null` is the float model. */
  configuration: configurationSchema.nullable(),
  /**
   * Digest (hash) of a configuration that the sampler proposed; the report repeats it
   * (configuration-digest.ts).
   */
  digest: digestSchema.exactOptional(),
  shard: shardSchema,
  /**
   * What early stopping compares the trial with: stored scores of the float model, the incumbent and other
   * trials; absent where the trial is scored to its end.
   */
  race: raceSchema.optional(),
  measureLatency: z.boolean(),
  /**
   * Time in milliseconds since the epoch after which the job is taken for lost and sent again. A late answer
   * still counts if it is the first.
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
  /** The base configuration, trial 1, which the result compares the best trial with. */
  base: configurationSchema,
  /**
   * The finalists (trials that the finish validates), best first; empty where no quantized trial is complete.
   */
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

// Events are the messages that the coordinator's reducer applies to a run's state. `at` is the sender's
// clock; the reducer has no other clock.

const eventBase = { version, runId: runIdSchema, at: timestampSchema };
const billedSchema = z.strictObject({
  milliseconds: z.number().min(0),
  /** Memory of the Lambda function, which determines the price per second. */
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
 * Event that a run continues after the process that held its jobs has ended: all unanswered jobs are sent
 * again and do not count as overdue.
 */
export const runResumedSchema = z.strictObject({
  ...eventBase,
  type: z.literal("RunResumed"),
  /** New limits of the search; the run's limits stay as they are where this is absent. */
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
      /**
       * Sensitivity per group (tensors that share a quantizer choice): by how many decibels the outputs'
       * signal-to-noise ratio rises when the group alone is switched to float, or to quantized. Over shards
       * the maximum is taken.
       */
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
  /** The digest (hash) of the configuration, repeated from the job. */
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
      /** The trial whose model was written, 0 for the float model; `null` where there was no candidate. */
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
/** A worker's answer to a job. */
export type JobReport = StatisticsReported | TrialReported | FinishReported;
