import { shardRange } from "../../shared/basics/identifiers.js";
import type { Reporter } from "../../shared/run/protocol/failure-report.js";
import {
  type Job,
  type JobReport,
  MESSAGE_VERSION,
  type TrialJob,
} from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { packRows } from "../../shared/run/protocol/rows.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import type { Configuration, Space } from "../../shared/search/space/space.js";

/**
 * A space for a model whose accuracy is a formula: quantizing a group costs some accuracy, for some groups
 * much, and a sample is right while the total loss is below its difficulty. Everything is a function of
 * (seed, configuration), like integer kernels of one instruction set.
 */
export function toySpace(groups: number): Space {
  return Array.from({ length: groups }, (_, g) => [
    { name: `g${g}.layer`, group: `g${g}`, kind: "categorical" as const, choices: ["quantized", "float"] },
    {
      name: `g${g}.mode`,
      group: `g${g}`,
      kind: "categorical" as const,
      choices: ["symmetric", "asymmetric"],
      when: { parameter: `g${g}.layer`, in: ["quantized"] },
    },
    {
      name: `g${g}.outlier`,
      group: `g${g}`,
      kind: "ordinal" as const,
      choices: [0.001, 0.0001, 0.00001],
      when: { parameter: `g${g}.layer`, in: ["quantized"] },
    },
  ]).flat();
}

export function toyBase(space: Space): Configuration {
  return Object.fromEntries(space.map(({ name, choices }) => [name, choices[0]!]));
}

export function toyFloat(space: Space): Configuration {
  return Object.fromEntries(
    space.flatMap(({ name, when }) => (when === undefined ? [[name, "float" as const]] : [])),
  );
}

/** A job for a trial of the base configuration of six groups. */
export function toyTrialJob(deadline: number): TrialJob {
  return {
    version: MESSAGE_VERSION,
    type: "trial",
    runId: "toy",
    trial: 4,
    attempt: 1,
    configuration: toyBase(toySpace(6)),
    shard: { index: 0, count: 1 },
    measureLatency: false,
    deadline,
  };
}

/** The worker that answers toy jobs, and the time of its answer. */
export interface ToyWorker extends Reporter {
  readonly isa: string;
}

/** A worker's answer to a job. */
export function answerToyJob(request: RunRequest, job: Job, { worker, isa, at }: ToyWorker): JobReport {
  const { runId, attempt } = job;
  const base = { version: MESSAGE_VERSION, runId, attempt, at } as const;
  switch (job.type) {
    case "statistics": {
      const sensitivity = Object.fromEntries(
        request.space.map(({ group }) => [group, groupLoss(request, group)]),
      );
      const outcome = { state: "complete", sensitivity, seconds: 0.5 } as const;
      return { ...base, type: "StatisticsReported", shard: job.shard, outcome };
    }
    case "trial": {
      const outcome = scoreToyTrial(request, job);
      const { trial, digest, shard } = job;
      const echo = digest === undefined ? {} : { digest };
      return { ...base, ...echo, type: "TrialReported", trial, shard, worker, isa, outcome };
    }
    case "finish": {
      const best = job.candidates[0]?.trial ?? null;
      const validation = job.candidates.map(({ trial, configuration }) => ({
        trial,
        value: toyAccuracy(request, configuration, 0, request.evaluation.samples),
      }));
      return {
        ...base,
        type: "FinishReported",
        isa,
        outcome: { state: "complete", best, validation, objects: [] },
      };
    }
  }
}

/** Timings of every shard in seconds. */
export const TOY_TIMINGS = { quantize: 0.01, session: 0.02, inference: 0.1, total: 0.13 };

function scoreToyTrial(request: RunRequest, job: TrialJob) {
  const { start, end } = shardRange(job.shard, request.evaluation.samples);
  const half = start + Math.ceil((end - start) / 2);
  // Its own early stopping: a hopeless trial is stopped halfway.
  const stops = job.race !== undefined && toyAccuracy(request, job.configuration, start, half) < 0.6;
  const rows = toyRows(request, job.configuration, start, stops ? half : end);
  const quantized = toyQuantizedShare(request.space, job.configuration);
  return {
    state: stops ? ("pruned" as const) : ("complete" as const),
    rows: packRows(rows, 1),
    samples: rows.length,
    bytes: 1_000 + Math.round(3_000 * (1 - quantized)),
    quantizedShare: { byCount: quantized, byParameters: quantized },
    ...(job.measureLatency ? { latency: { ratio: 1 + quantized, noise: 0.01 } } : {}),
    timings: TOY_TIMINGS,
  };
}

export function toyAccuracy(
  request: RunRequest,
  configuration: Configuration | null,
  start: number,
  end: number,
): number {
  const rows = toyRows(request, configuration, start, end);
  return rows.reduce((sum, row) => sum + row, 0) / rows.length;
}

function toyRows(
  request: RunRequest,
  configuration: Configuration | null,
  start: number,
  end: number,
): Float32Array {
  const loss = configuration === null ? 0 : toyLoss(request, configuration);
  const rows = new Float32Array(end - start);
  for (let i = 0; i < rows.length; i++) rows[i] = 0.95 - 0.9 * difficulty(request, start + i) > loss ? 1 : 0;
  return rows;
}

const difficulties = new Map<number, readonly number[]>();

function difficulty({ seed, evaluation }: RunRequest, sample: number): number {
  let known = difficulties.get(seed);
  if (known === undefined || known.length < evaluation.samples) {
    const random = createRandomStream(seed, 0, "noise");
    known = Array.from({ length: evaluation.samples }, () => random.uniform());
    difficulties.set(seed, known);
  }
  return known[sample]!;
}

function toyLoss(request: RunRequest, configuration: Configuration): number {
  let loss = 0;
  for (const { name, group, when } of request.space) {
    if (when !== undefined || configuration[name] !== "quantized") continue;
    const asymmetric = configuration[`${group}.mode`] === "asymmetric" ? 0.7 : 1;
    const outlier = 1 - 2_000 * Math.abs(Number(configuration[`${group}.outlier`]) - 0.0001);
    loss += groupLoss(request, group) * asymmetric * (2 - Math.max(0, outlier));
  }
  return loss;
}

function groupLoss({ seed }: RunRequest, group: string): number {
  const u = createRandomStream(seed, Number(group.slice(1)), "problem").uniform();
  return 0.3 * u ** 4;
}

function toyQuantizedShare(space: Space, configuration: Configuration | null): number {
  const layers = space.filter(({ when }) => when === undefined);
  if (configuration === null || layers.length === 0) return 0;
  return layers.filter(({ name }) => configuration[name] === "quantized").length / layers.length;
}
