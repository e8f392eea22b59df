import * as z from "zod";
import {
  runIdSchema,
  sha256Schema,
  shardCountSchema,
  storeKeySchema,
  timestampSchema,
} from "../../basics/identifiers.js";
import type { Configuration, Space } from "../../search/space/space.js";
import { spaceSchema } from "../../search/space/space-document.js";

import { MAX_WARNINGS, runWarningSchema } from "../../validation/warnings.js";

const MAX_NAME = 1_024;
const MAX_PARAMETERS = 20_000;
const MAX_TRIALS = 100_000;
const MAX_SAMPLES = 10_000_000;

const nameSchema = z.string().min(1).max(MAX_NAME);
const choiceSchema = z.union([z.string().max(MAX_NAME), z.number(), z.boolean()]);

export const configurationSchema = z
  .record(nameSchema, choiceSchema)
  .refine((configuration) => Object.keys(configuration).length <= MAX_PARAMETERS, {
    error: `a configuration has at most ${MAX_PARAMETERS} parameters`,
  });

/** Trials that a run may have under way. */
export const MOST_SIDE_BY_SIDE = 4_096;

const optimizerSchema = z.strictObject({
  /** Trials in all, the base configuration (trial 1) included and the float model (trial 0) not. */
  maxTrials: z.int().min(1).max(MAX_TRIALS),
  /** Minutes that the run may spend working; 0 is unlimited. Tested before a trial, never during one. */
  maxMinutes: z.number().min(0),
  stopOnTarget: z.boolean(),
  objective: z.enum(["constrained", "loss", "pareto"]),
  minimize: z.enum(["latency", "size"]),
  /** Percent, relative to the float model. */
  accuracyLoss: z.number().min(0),
  /** Float latency over quantized latency that is asked for. */
  latencyReduce: z.number().min(0),
  accuracyWeight: z.number().min(0),
  latencyWeight: z.number().min(0),
  expectedQuantizationRatio: z.number().gt(0).lt(1),
  quantizationRatioWeight: z.number().min(0),
  race: z.boolean(),
  /** Probability that the race stops a trial wrongly, spent over looks and shards (search.md, "The race"). */
  raceDelta: z.number().gt(0).lt(1),
  sensitivity: z.enum(["auto", "off"]),
  measureLatency: z.boolean(),
});

const metricSchema = z.strictObject({
  name: nameSchema,
  direction: z.enum(["higher", "lower"]),
  /** Values a sample contributes. */
  rowWidth: z.int().min(1).max(65_536),
  /** Whether the metric is the mean of rows of one value, so that the race can compare it in pairs. */
  perSampleMean: z.boolean(),
  /** Smallest and largest value of a row, where the metric has them; the race needs both. */
  range: z.tuple([z.number(), z.number()]).optional(),
});

/** What work costs where it is billed, in US dollars, and how much of it there may be. */
const costSchema = z.strictObject({
  usdPerGigabyteSecond: z.strictObject({ arm64: z.number().min(0), x86_64: z.number().min(0) }),
  /** The requests to function, queues and store that come with each job. */
  usdPerJob: z.number().min(0),
  /** No trial is asked for with which the run is expected to cost more. */
  maxUsd: z.number().gt(0).optional(),
  /** What whoever asked for the run expected. */
  estimatedUsd: z.number().min(0).optional(),
});

const timeoutSchema = z.int().min(1_000).max(86_400_000);

/** What a run is asked to do: all the reducer knows about model and data are names, shapes and counts. */
export const runRequestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: runIdSchema,
  requestedAt: timestampSchema,
  seed: z.int().min(0).max(0xffff_ffff),
  space: spaceSchema,
  /** Trial 1. */
  base: configurationSchema,
  /** What trial 0 (the float model) is called in the space, where the space contains it. */
  float: configurationSchema.optional(),
  optimizer: optimizerSchema,
  evaluation: z.strictObject({ samples: z.int().min(1).max(MAX_SAMPLES), shards: shardCountSchema }),
  statistics: z.strictObject({
    key: storeKeySchema,
    shards: shardCountSchema,
    /** In a fleet: whoever scores trials gathers little work itself, as it starts anyway. Collectors when left out. */
    by: z.enum(["collectors", "evaluators"]).optional(),
  }),
  metric: metricSchema,
  /** Trials side by side. */
  parallel: z.int().min(1).max(MOST_SIDE_BY_SIDE),
  /** What the finish job has to do for each model: validation samples, and seconds that its latency is expected to take. */
  finish: z
    .strictObject({ samples: z.int().min(0).max(MAX_SAMPLES), latencySeconds: z.number().min(0) })
    .optional(),
  /** How many of the best trials the finish job validates. */
  finalists: z.int().min(1).max(100),
  /** Milliseconds after which an unanswered job is sent again; doubled with every attempt. */
  timeouts: z.strictObject({ statistics: timeoutSchema, trial: timeoutSchema, finish: timeoutSchema }),
  /** The only instruction set whose results count; the first result's where it is left out. */
  isa: z.string().min(1).max(64).optional(),
  cost: costSchema.optional(),
  /**
   * What objective `loss` is scaled by, where it is not this run's own base: the fully quantized model that an earlier
   * run measured.
   */
  lossReference: z.strictObject({ accuracyDrop: z.number(), latencyRatio: z.number().gt(0) }).optional(),
  /**
   * Trials that an earlier run ended, which are this run's first ones: how many, and the hash of the record that holds
   * them. Named by its content, it can be begun with by any number of runs.
   */
  restored: z.strictObject({ trials: z.int().min(1).max(MAX_TRIALS), sha256: sha256Schema }).optional(),
  /** Hash of all that a measurement depends on beside the choices: trials of runs that share it can be compared. */
  measuredUnder: sha256Schema.optional(),
  /** What whoever asked for the run is to know of configuration, data and machine; the result repeats it. */
  warnings: z.array(runWarningSchema).max(MAX_WARNINGS).optional(),
});

export type RunRequest = Readonly<Omit<z.infer<typeof runRequestSchema>, "space" | "base" | "float">> & {
  readonly space: Space;
  readonly base: Configuration;
  readonly float?: Configuration;
};
