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

/** Maximum number of trials of a run that may be running at once. */
export const MAX_PARALLEL_TRIALS = 4_096;

const optimizerSchema = z.strictObject({
  /** Trials in all, the base configuration (trial 1) included and the float model (trial 0) not. */
  maxTrials: z.int().min(1).max(MAX_TRIALS),
  /** Minutes of work; 0 is unlimited. Checked before each trial, never during one. */
  maxMinutes: z.number().min(0),
  stopOnTarget: z.boolean(),
  objective: z.enum(["constrained", "loss", "pareto"]),
  minimize: z.enum(["latency", "size"]),
  /** Maximum loss of accuracy, in percent relative to the float model. */
  accuracyLoss: z.number().min(0),
  /** Required speed-up: latency of the float model divided by the quantized model's. */
  latencyReduce: z.number().min(0),
  accuracyWeight: z.number().min(0),
  latencyWeight: z.number().min(0),
  expectedQuantizationRatio: z.number().gt(0).lt(1),
  quantizationRatioWeight: z.number().min(0),
  race: z.boolean(),
  /**
   * Probability of stopping a trial wrongly, divided among all looks (interim checks) and shards (workers'
   * parts of the samples).
   */
  raceDelta: z.number().gt(0).lt(1),
  sensitivity: z.enum(["auto", "off"]),
  measureLatency: z.boolean(),
});

const metricSchema = z.strictObject({
  name: nameSchema,
  direction: z.enum(["higher", "lower"]),
  /** Number of values in a row, the scores of one sample. */
  rowWidth: z.int().min(1).max(65_536),
  /**
   * Whether the metric is the mean of one score per sample, so that early stopping can compare trials sample
   * by sample.
   */
  perSampleMean: z.boolean(),
  /**
   * Smallest and largest value of a sample's score, where the metric has bounds; early stopping needs both.
   */
  range: z.tuple([z.number(), z.number()]).optional(),
});

/** Prices of a run's work in US dollars, and its budget. */
const costSchema = z.strictObject({
  usdPerGigabyteSecond: z.strictObject({ arm64: z.number().min(0), x86_64: z.number().min(0) }),
  /** Price in US dollars of the requests to function, queues and store that come with each job. */
  usdPerJob: z.number().min(0),
  /** Budget in US dollars: no trial is started if the run is then expected to cost more. */
  maxUsd: z.number().gt(0).optional(),
  /** Cost in US dollars that was estimated when the run was requested. */
  estimatedUsd: z.number().min(0).optional(),
});

const timeoutSchema = z.int().min(1_000).max(86_400_000);

/**
 * The request of a run. Of model and data it has only names, shapes and counts, which is all that the reducer
 * needs.
 */
export const runRequestSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: runIdSchema,
  requestedAt: timestampSchema,
  seed: z.int().min(0).max(0xffff_ffff),
  space: spaceSchema,
  /** The base configuration, trial 1. */
  base: configurationSchema,
  /**
   * Trial 0 (the float model) as a configuration, where the space contains one that leaves everything in
   * float.
   */
  float: configurationSchema.optional(),
  optimizer: optimizerSchema,
  evaluation: z.strictObject({ samples: z.int().min(1).max(MAX_SAMPLES), shards: shardCountSchema }),
  statistics: z.strictObject({
    key: storeKeySchema,
    shards: shardCountSchema,
    /**
     * Which functions of a fleet gather the statistics; collectors when absent. Evaluators do it where there
     * is little work, because they have to start anyway.
     */
    by: z.enum(["collectors", "evaluators"]).optional(),
  }),
  metric: metricSchema,
  /** Maximum number of trials running at once. */
  parallel: z.int().min(1).max(MAX_PARALLEL_TRIALS),
  /**
   * Work of the finish job per model: number of validation samples, and expected seconds of latency
   * measurement.
   */
  finish: z
    .strictObject({ samples: z.int().min(0).max(MAX_SAMPLES), latencySeconds: z.number().min(0) })
    .optional(),
  /** Number of finalists: how many of the best trials the finish job validates. */
  finalists: z.int().min(1).max(100),
  /** Milliseconds after which an unanswered job is sent again; doubled with every attempt. */
  timeouts: z.strictObject({ statistics: timeoutSchema, trial: timeoutSchema, finish: timeoutSchema }),
  /** Instruction set of the processors whose results are accepted; that of the first result when absent. */
  isa: z.string().min(1).max(64).optional(),
  cost: costSchema.optional(),
  /**
   * Reference that scales objective `loss`: the fully quantized model that an earlier run measured. This
   * run's own base when absent.
   */
  lossReference: z.strictObject({ accuracyDrop: z.number(), latencyRatio: z.number().gt(0) }).optional(),
  /**
   * The run's first trials, taken from an earlier run: their number, and the hash of the record that holds
   * them. The record is named by its content, so several runs can begin with it.
   */
  restored: z.strictObject({ trials: z.int().min(1).max(MAX_TRIALS), sha256: sha256Schema }).optional(),
  /**
   * Hash of everything except a trial's configuration that determines a measurement: trials of runs with
   * equal hashes are comparable.
   */
  measuredUnder: sha256Schema.optional(),
  /**
   * Warnings about configuration, data and machine from when the run was requested; the result repeats them.
   */
  warnings: z.array(runWarningSchema).max(MAX_WARNINGS).optional(),
});

export type RunRequest = Readonly<Omit<z.infer<typeof runRequestSchema>, "space" | "base" | "float">> & {
  readonly space: Space;
  readonly base: Configuration;
  readonly float?: Configuration;
};
