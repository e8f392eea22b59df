import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { EvaluatorSize } from "../deployment/fleet.js";
import { type PriceList, runPrices } from "./price-list.js";
import { statisticsSeconds } from "./statistics-plan.js";

/** Memory, in MB, at which a Lambda function has one full virtual processor. */
const MEGABYTES_PER_PROCESSOR = 1_769;
const MEGABYTES_PER_GIGABYTE = 1_024;
/**
 * Overhead of a job in seconds: claim (lease on the job), answer and rows (per-sample scores) in the store,
 * messages, quantizing and opening a session.
 */
const OVERHEAD_SECONDS_PER_JOB = 0.3;
/** Seconds that measuring a trial's latency takes, unless the configuration sets them. */
const LATENCY_SECONDS = 1;
/**
 * Number of models that are validated besides the finalists (best trials): the float model and the preset
 * configuration.
 */
const REFERENCE_MODELS = 2;

/** Expected cost of a run in which no trial is stopped early. */
export interface CostEstimate {
  readonly usd: number;
  readonly trials: number;
  readonly jobs: number;
  /** Seconds of evaluators' work per trial, summed over its shards (parts of the samples). */
  readonly secondsPerTrial: number;
  /** Seconds of work of all evaluators together in the whole run. */
  readonly evaluatorSeconds: number;
  readonly evaluator: EvaluatorSize;
  readonly prices: Pick<PriceList, "date" | "region">;
}

export interface EstimateOptions {
  readonly prices: PriceList;
  readonly evaluator: EvaluatorSize;
  /** Seconds that the float model takes per sample on one full processor. */
  readonly secondsPerSample: number;
  /** Seconds per trial, known from an earlier run; when omitted, computed from `secondsPerSample`. */
  readonly secondsPerTrial?: number | undefined;
}

/**
 * Estimates the cost of a run from its trials and samples. Stopping trials early only makes the run cheaper.
 * The coordinator's cost is part of the overhead per job.
 */
export function estimateCost(
  workload: Workload,
  request: RunRequest,
  options: EstimateOptions,
): CostEstimate {
  const { prices, evaluator, secondsPerSample } = options;
  const { optimizer, evaluation, statistics, finalists } = request;
  const { validation, configuration } = workload;
  const slowness = Math.max(1, MEGABYTES_PER_PROCESSOR / evaluator.megabytes);
  const { duration_seconds = LATENCY_SECONDS } = configuration.optimizer.params.benchmark;
  const latency = optimizer.measureLatency ? duration_seconds : 0;
  const scoring = evaluation.samples * secondsPerSample * slowness;
  const secondsPerTrial =
    options.secondsPerTrial ?? scoring + latency + evaluation.shards * OVERHEAD_SECONDS_PER_JOB;
  const gathering = statisticsSeconds(workload, secondsPerSample) * slowness;
  const validated = (validation?.samples ?? 0) * secondsPerSample * slowness + latency;
  const finishing = (finalists + REFERENCE_MODELS) * validated;
  // The float model is one more trial; trials taken over from an earlier run are not scored again.
  const trials = Math.max(0, optimizer.maxTrials + 1 - (request.restored?.trials ?? 0));
  const jobs = trials * evaluation.shards + statistics.shards + 1;
  const evaluatorSeconds =
    trials * secondsPerTrial + gathering + finishing + (statistics.shards + 1) * OVERHEAD_SECONDS_PER_JOB;
  const { usdPerGigabyteSecond, usdPerJob } = runPrices(prices);
  const gigabyteSeconds = (evaluatorSeconds * evaluator.megabytes) / MEGABYTES_PER_GIGABYTE;
  const usd = gigabyteSeconds * usdPerGigabyteSecond[evaluator.architecture] + jobs * usdPerJob;
  const { date, region } = prices;
  return { usd, trials, jobs, secondsPerTrial, evaluatorSeconds, evaluator, prices: { date, region } };
}
