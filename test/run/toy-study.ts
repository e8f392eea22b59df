import type { Billed } from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { createTpeSampler } from "../../shared/search/samplers/tpe-sampler.js";
import type { Configuration, Space } from "../../shared/search/space/space.js";
import { toyBase, toyFloat, toySpace } from "./toy-model.js";
import { createHillClimber } from "./toy-sampler.js";

export const toyStudy: Study = {
  createSampler: (request) => createHillClimber(request.space, request.seed),
  aggregate: (rows) => rows.reduce((sum, row) => sum + row, 0) / rows.length,
  judge(trial, { float }, { optimizer }) {
    const loss = (100 * (float.metric - trial.metric)) / float.metric;
    const violation = Math.max(0, loss - optimizer.accuracyLoss);
    const ratio = trial.latency?.ratio ?? 1;
    const value = optimizer.minimize === "size" ? trial.bytes : -ratio;
    const meetsTarget = violation === 0 && ratio >= optimizer.latencyReduce;
    return {
      values: [value],
      violation,
      accuracyLoss: loss,
      noise: 0,
      withinBound: violation === 0,
      meetsTarget,
    };
  },
  pickBest: (trials) =>
    [...trials].sort(
      (a, b) =>
        a.violation - b.violation ||
        a.values[0]! - b.values[0]! ||
        a.accuracyLoss - b.accuracyLoss ||
        a.number - b.number,
    )[0],
};

/** `toyStudy` with the sampler that users get. */
export const toyTpeStudy: Study = {
  ...toyStudy,
  createSampler: (request, sensitivity) =>
    createTpeSampler(request.space, {
      seed: request.seed,
      base: request.base,
      maxTrials: request.optimizer.maxTrials,
      ...(sensitivity === undefined ? {} : { sensitivity }),
    }),
};

/** `toyStudy` with a fast sampler that ignores the finished trials. */
export const independentToyStudy: Study = {
  ...toyStudy,
  createSampler: ({ space }) => ({
    ask: (trial) => drawConfiguration(space, 1_000_000 + trial),
    started: () => {},
    tell: () => {},
  }),
};

export function drawConfiguration(space: Space, number: number): Configuration {
  const random = createRandomStream(1, number, "problem");
  const configuration: Record<string, string | number | boolean> = {};
  for (const { name, choices, when } of space)
    if (when === undefined || when.in.includes(configuration[when.parameter]!))
      configuration[name] = choices[random.below(choices.length)]!;
  return configuration;
}

/** Prices of one dollar per second of work billed by `toyBill`. */
export function toyCost(maxUsd: number): NonNullable<RunRequest["cost"]> {
  return { usdPerGigabyteSecond: { arm64: 1, x86_64: 1 }, usdPerJob: 0, maxUsd };
}

export function toyBill(milliseconds: number): Billed {
  return { milliseconds, megabytes: 1_024, architecture: "arm64" };
}

export interface ToyRequestOptions {
  readonly runId?: string;
  readonly seed?: number;
  readonly groups?: number;
  readonly finish?: NonNullable<RunRequest["finish"]>;
  readonly maxTrials?: number;
  readonly parallel?: number;
  readonly shards?: number;
  readonly statisticsShards?: number;
  readonly samples?: number;
  readonly optimizer?: Partial<RunRequest["optimizer"]>;
  readonly cost?: RunRequest["cost"];
  readonly isa?: string;
}

export function toyRequest(options: ToyRequestOptions = {}): RunRequest {
  const space = toySpace(options.groups ?? 6);
  return {
    schemaVersion: 1,
    runId: options.runId ?? "toy",
    requestedAt: 0,
    seed: options.seed ?? 1,
    space,
    base: toyBase(space),
    float: toyFloat(space),
    optimizer: {
      maxTrials: options.maxTrials ?? 20,
      maxMinutes: 0,
      stopOnTarget: false,
      objective: "constrained",
      minimize: "size",
      accuracyLoss: 2,
      latencyReduce: 1.5,
      accuracyWeight: 1,
      latencyWeight: 1,
      expectedQuantizationRatio: 0.5,
      quantizationRatioWeight: 0,
      race: true,
      raceDelta: 0.05,
      sensitivity: "auto",
      measureLatency: true,
      ...options.optimizer,
    },
    evaluation: { samples: options.samples ?? 60, shards: options.shards ?? 1 },
    statistics: { key: "statistics/toy", shards: options.statisticsShards ?? 1 },
    metric: { name: "accuracy", direction: "higher", rowWidth: 1, perSampleMean: true, range: [0, 1] },
    parallel: options.parallel ?? 1,
    finalists: 3,
    timeouts: { statistics: 60_000, trial: 60_000, finish: 60_000 },
    ...(options.cost === undefined ? {} : { cost: options.cost }),
    ...(options.finish === undefined ? {} : { finish: options.finish }),
    ...(options.isa === undefined ? {} : { isa: options.isa }),
  };
}
