import * as z from "zod";
import { runIdSchema, timestampSchema, trialNumberSchema } from "../../basics/identifiers.js";
import { safeguard } from "../../basics/safeguard.js";
import type { EncodedSpace } from "../../search/space/encoding.js";
import type { Configuration } from "../../search/space/space.js";
import type { Assignment } from "../protocol/assignment.js";
import { limitsSchema } from "../protocol/limits.js";
import { measuredOutcomeSchema } from "../protocol/measured-outcome.js";
import { SEGMENT_SIZE } from "../protocol/record-keys.js";
import type { ProposedTrial, RunningTrial, RunState, ShardState, TrialRecord } from "../protocol/state.js";
import { packConfiguration, unpackConfiguration } from "./configuration-code.js";

/** A configuration encoded in the run's space (`packConfiguration`); `null` is the float model. */
const packedSchema = z.string().max(65_536).nullable();
const counter = z.int().min(0);
const measures = measuredOutcomeSchema.pick({
  reachable: true,
  bytes: true,
  quantizedShare: true,
  simulatedShare: true,
  saturation: true,
  latency: true,
  timings: true,
});

/**
 * A waiting shard as a tuple: attempt, first attempt, whether sent (0 or 1), deadline in milliseconds since
 * the trial was opened, failed attempts. Tuples instead of objects, because with a thousand shards they are
 * most of the document.
 */
const waitingSchema = z.tuple([counter, counter, z.int().min(0).max(1), counter], counter);
/**
 * An answered shard (a worker's part of a job): the attempt that answered, and what is kept of the answer.
 */
const doneSchema = <Kept extends z.ZodType>(kept: Kept) => z.strictObject({ attempt: counter, kept });
const shardSchema = <Kept extends z.ZodType>(kept: Kept) => z.union([waitingSchema, doneSchema(kept)]);

const scoresNameSchema = z.string().regex(/^([0-9a-f]{12})?$/);

const runningSchema = z.strictObject({
  number: trialNumberSchema,
  /** Absent in an open trial, whose configuration the sampler has not proposed yet. */
  configuration: packedSchema.exactOptional(),
  seen: counter,
  askedAt: timestampSchema,
  racing: z.boolean(),
  incumbent: trialNumberSchema.exactOptional(),
  shards: z.array(shardSchema(scoresNameSchema)),
  measures: measures.extend({ worker: z.string() }).exactOptional(),
});

/** A running trial whose other fields are in a stored segment: number, shards, measurements so far. */
const compactRunningSchema = z.tuple(
  [trialNumberSchema, runningSchema.shape.shards],
  measures.extend({ worker: z.string() }),
);

const proposedTrialSchema = runningSchema
  .omit({ shards: true, measures: true })
  .required({ configuration: true });
/** A segment (stored group) of running trials with their configurations (running-trial-segments.ts). */
export const runningTrialSegmentSchema = z.strictObject({
  version: z.literal(1),
  trials: z.array(proposedTrialSchema),
});
export type ProposedTrialDocument = z.infer<typeof proposedTrialSchema>;
export type RunningTrialSegment = z.infer<typeof runningTrialSegmentSchema>;

const endedFields = {
  number: trialNumberSchema,
  origin: z.strictObject({ run: runIdSchema, trial: trialNumberSchema }).exactOptional(),
  configuration: packedSchema,
  seen: counter,
  askedAt: timestampSchema,
  endedAt: timestampSchema,
  attempts: counter,
};
const recordSchema = z.discriminatedUnion("state", [
  z.strictObject({
    ...endedFields,
    state: z.literal("failed"),
    reason: z.string(),
    input: z.literal(true).exactOptional(),
  }),
  z.strictObject({
    ...endedFields,
    state: z.enum(["complete", "pruned"]),
    measurement: measures.omit({ timings: true }).extend({ metric: z.number(), samples: counter }),
    worker: z.string(),
    timings: measuredOutcomeSchema.shape.timings,
    scores: z.array(scoresNameSchema),
  }),
]);

/** A segment (stored group) of records of finished trials. */
export const segmentSchema = z.strictObject({ version: z.literal(1), trials: z.array(recordSchema) });

const finishResultSchema = z.strictObject({
  best: trialNumberSchema.nullable(),
  validation: z.array(z.strictObject({ trial: trialNumberSchema, value: z.number() })),
});

const tallySchema = z.strictObject({
  reports: counter,
  milliseconds: z.number(),
  usd: z.number(),
  usdSquared: z.number(),
});

/**
 * The content of `state.json`, a run's state: everything that changes from event to event, without what other
 * records hold.
 */
export const stateDocumentSchema = z.strictObject({
  version: z.literal(1),
  phase: z.enum(["statistics", "search", "finish", "done", "failed"]),
  startedAt: timestampSchema,
  lastAt: timestampSchema,
  pausedMilliseconds: counter,
  resumedAt: timestampSchema.exactOptional(),
  limits: limitsSchema.exactOptional(),
  isa: z.string().exactOptional(),
  statistics: z.array(shardSchema(z.strictObject({ seconds: z.number() }))),
  sensitivity: z.record(z.string(), z.number()).exactOptional(),
  asked: counter,
  running: z.array(z.union([runningSchema, compactRunningSchema])),
  /**
   * Number of segments (groups of 16 finished trials) known to be written; `unsealed` holds the finished
   * trials after them.
   */
  sealedSegments: counter,
  unsealed: z.array(recordSchema),
  stop: z
    .enum(["max_trials", "max_minutes", "stop_on_target", "max_cost_usd", "space_exhausted", "cancelled"])
    .exactOptional(),
  finishing: z
    .strictObject({
      candidates: z.array(trialNumberSchema),
      withinBound: counter.exactOptional(),
      job: shardSchema(finishResultSchema),
    })
    .exactOptional(),
  failure: z.string().exactOptional(),
  failedByInput: z.literal(true).exactOptional(),
  spend: z.strictObject({
    usd: z.number(),
    billedMilliseconds: z.number(),
    jobs: tallySchema,
    trialJobs: tallySchema,
  }),
});

export type StateDocument = z.infer<typeof stateDocumentSchema>;
type RecordDocument = z.infer<typeof recordSchema>;
export type RunningDocument = z.infer<typeof runningSchema>;
export type CompactRunningDocument = z.infer<typeof compactRunningSchema>;
type ShardDocument<Kept> = z.infer<typeof waitingSchema> | { attempt: number; kept: Kept };

/**
 * Encodes a run's state for `state.json`.
 *
 * @param writtenBelow running trials with smaller numbers are in segments, so their configurations are left
 * out
 */
export function toStateDocument(space: EncodedSpace, state: RunState, writtenBelow = 0): StateDocument {
  const { request: _request, best: _best, finished, statistics, running, finishing, ...plain } = state;
  return {
    version: 1,
    ...plain,
    statistics: statistics.map((shard) => toShardDocument(shard, state.startedAt, (result) => result)),
    running: running.map((trial) => {
      const document = toRunningDocument(space, trial);
      const { number, shards, measures: measured } = document;
      return number < writtenBelow
        ? [number, shards, ...(measured === undefined ? [] : [measured])]
        : document;
    }),
    unsealed: finished
      .slice(state.sealedSegments * SEGMENT_SIZE)
      .map((trial) => toRecordDocument(space, trial)),
    ...(finishing === undefined
      ? {}
      : {
          finishing: {
            candidates: [...finishing.candidates],
            ...(finishing.withinBound === undefined ? {} : { withinBound: finishing.withinBound }),
            job: toShardDocument(finishing.job, state.startedAt, ({ best, validation }) => ({
              best,
              validation: [...validation],
            })),
          },
        }),
  };
}

export function toRecordDocument(space: EncodedSpace, trial: TrialRecord): RecordDocument {
  const configuration = pack(space, trial.configuration);
  return trial.state === "failed"
    ? { ...trial, configuration }
    : { ...trial, configuration, scores: [...trial.scores] };
}

export function fromRecordDocument(space: EncodedSpace, record: RecordDocument): TrialRecord {
  return { ...record, configuration: unpack(space, record.configuration) };
}

/**
 * Restores the state of a shard from its stored form.
 *
 * @param since time that the deadline is relative to: when the trial was opened, or the run started
 */
export function fromShardDocument<Kept, Result>(
  shard: ShardDocument<Kept>,
  since: number,
  restore: (kept: Kept) => Result,
): ShardState<Result> {
  if (!Array.isArray(shard)) return { state: "done", attempt: shard.attempt, result: restore(shard.kept) };
  const [attempt, firstAttempt, sent, time, ...failedAttempts] = shard;
  const assignment: Assignment = {
    attempt,
    firstAttempt,
    sent: sent === 1,
    deadline: since + time,
    failedAttempts,
  };
  return { state: "waiting", assignment };
}

/**
 * Restores a running trial from its stored form.
 *
 * @param shards with their rows (per-sample scores), which other records hold
 */
export function fromRunningDocument(
  space: EncodedSpace,
  trial: RunningDocument,
  shards: RunningTrial["shards"],
): RunningTrial {
  const { configuration, ...others } = trial;
  return {
    ...others,
    ...(configuration === undefined ? {} : { configuration: unpack(space, configuration) }),
    shards,
  };
}

export function toProposedTrialDocument(space: EncodedSpace, trial: ProposedTrial): ProposedTrialDocument {
  const { shards: _, measures: __, ...asked } = toRunningDocument(space, trial);
  return { ...asked, configuration: pack(space, trial.configuration) };
}

/**
 * Joins what the state document holds of a running trial with its part from a segment (stored group of
 * trials).
 */
export function expandRunning(
  [, shards, measured]: CompactRunningDocument,
  asked: ProposedTrialDocument,
): RunningDocument {
  return { ...asked, shards, ...(measured === undefined ? {} : { measures: measured }) };
}

function toRunningDocument(space: EncodedSpace, trial: RunningTrial): RunningDocument {
  const { configuration, ...others } = trial;
  return {
    ...others,
    ...(configuration === undefined ? {} : { configuration: pack(space, configuration) }),
    shards: trial.shards.map((shard) => toShardDocument(shard, trial.askedAt, ({ scores }) => scores)),
  };
}

function toShardDocument<Result, Kept>(
  shard: ShardState<Result>,
  since: number,
  keep: (result: Result) => Kept,
): ShardDocument<Kept> {
  if (shard.state === "done") return { attempt: shard.attempt, kept: keep(shard.result) };
  const { attempt, firstAttempt, sent, deadline, failedAttempts } = shard.assignment;
  const isSent = sent || !safeguard("jobs-are-marked-after-sending");
  return [attempt, firstAttempt, isSent ? 1 : 0, deadline - since, ...failedAttempts];
}

function pack(space: EncodedSpace, configuration: Configuration | null): string | null {
  return configuration === null ? null : packConfiguration(space, configuration);
}

function unpack(space: EncodedSpace, packed: string | null): Configuration | null {
  return packed === null ? null : unpackConfiguration(space, packed);
}
