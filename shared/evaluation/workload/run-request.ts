import type { TuningSpace } from "../../quantization/space/space.js";
import type { RunRequest } from "../../run/protocol/request.js";
import type { RestoredReference } from "../../run/records/restored-record.js";
import { QUIET_SECONDS } from "../../runtime/latency.js";
import { STOPPING_PROBABILITY } from "../../search/trials/early-stopping.js";
import type { LossReference } from "../../search/trials/objective.js";
import { MAX_WARNINGS, type RunWarning } from "../../validation/warnings.js";
import type { Workload } from "./workload.js";

export interface RequestOptions {
  readonly runId: string;
  readonly requestedAt: number;
  /** Number of trials that run at the same time. */
  readonly parallel: number;
  readonly statistics: Omit<RunRequest["statistics"], "key">;
  readonly evaluationShards: number;
  /** Milliseconds after which an unanswered job counts as lost. */
  readonly timeouts: RunRequest["timeouts"];
  /**
   * The search space and the base configuration (trial 1); the whole space and the preset's configuration
   * when left out.
   */
  readonly start?: Pick<TuningSpace, "parameters" | "base">;
  /** Trials of an earlier run that this one begins with. */
  readonly restored?: RestoredReference;
  /** Maximum number of trials; that of the configuration file when left out. */
  readonly maxTrials?: number;
  /** The only instruction set of processors whose results count; that of the first result when left out. */
  readonly isa?: string;
  /** The accuracy drop and latency that objective `loss` is scaled by, where an earlier run measured them. */
  readonly lossReference?: LossReference;
  readonly warnings?: readonly RunWarning[];
}

/**
 * Number of finalists (trials that the finish validates): the best, and two more to show the selection bias
 * of the best.
 */
const FINALISTS = 3;

/**
 * The request of a run: what the coordinator needs to know of a workload, namely names, shapes and counts.
 */
export function makeRunRequest(workload: Workload, options: RequestOptions): RunRequest {
  const { subject, metric, configuration, order, statisticsKey } = workload;
  const params = configuration.optimizer.params;
  const { parameters, base } = options.start ?? subject.space;
  return {
    schemaVersion: 1,
    runId: options.runId,
    requestedAt: options.requestedAt,
    seed: params.seed,
    space: parameters,
    base,
    optimizer: {
      maxTrials: options.maxTrials ?? params.max_trials,
      maxMinutes: params.max_minutes,
      stopOnTarget: params.stop_on_target,
      objective: params.objective,
      minimize: params.minimize,
      accuracyLoss: params.accuracy_loss,
      latencyReduce: params.latency_reduce,
      accuracyWeight: params.accuracy_weight,
      latencyWeight: params.latency_weight,
      expectedQuantizationRatio: params.expected_quantization_ratio,
      quantizationRatioWeight: params.quantization_ratio_weight,
      race: params.race === "on",
      raceDelta: STOPPING_PROBABILITY,
      sensitivity: params.sensitivity,
      measureLatency: params.objective === "loss" || params.minimize === "latency",
    },
    evaluation: { samples: order.length, shards: options.evaluationShards },
    statistics: { key: statisticsKey, ...options.statistics },
    metric: {
      name: metric.name,
      direction: metric.direction === "maximize" ? "higher" : "lower",
      rowWidth: metric.rowWidth,
      perSampleMean: metric.perSampleMean,
      ...(metric.range === undefined ? {} : { range: [metric.range[0], metric.range[1]] }),
    },
    parallel: options.parallel,
    finish: {
      samples: workload.validation?.samples ?? 0,
      latencySeconds: params.benchmark.duration_seconds ?? QUIET_SECONDS,
    },
    finalists: FINALISTS,
    timeouts: options.timeouts,
    ...(options.isa === undefined ? {} : { isa: options.isa }),
    measuredUnder: workload.measuredUnder,
    ...(options.restored === undefined ? {} : { restored: options.restored }),
    ...(options.warnings === undefined || options.warnings.length === 0
      ? {}
      : { warnings: options.warnings.slice(0, MAX_WARNINGS) }),
    ...(options.lossReference === undefined ? {} : { lossReference: { ...options.lossReference } }),
  };
}
