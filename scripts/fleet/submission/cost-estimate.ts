import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { EvaluatorSize } from "../deployment/fleet.js";
import { type PriceList, runPrices } from "./price-list.js";
import { gatheringSeconds } from "./statistics-plan.js";

/** Memory at which a function has one whole processor (runtime-facts.md, "AWS"). */
const MEGABYTES_A_PROCESSOR = 1_769;
const MEGABYTES_A_GIGABYTE = 1_024;
/** A job's own: its claim, answer and rows in the store, its messages, quantizing and opening a session. */
const OVERHEAD_SECONDS_A_JOB = 0.3;
/** Of a trial that measures latency where the configuration does not say. */
const LATENCY_SECONDS = 1;
/** The float model and the base configuration are scored beside the finalists. */
const MODELS_BESIDE_FINALISTS = 2;

/** What a run is expected to cost if no trial is stopped early. */
export interface CostEstimate {
  readonly usd: number;
  readonly trials: number;
  readonly jobs: number;
  /** Of an evaluator's work, the trial's shards together. */
  readonly secondsPerTrial: number;
  /** Of all evaluators' work. */
  readonly evaluatorSeconds: number;
  readonly evaluator: EvaluatorSize;
  readonly prices: Pick<PriceList, "date" | "region">;
}

export interface EstimateOptions {
  readonly prices: PriceList;
  readonly evaluator: EvaluatorSize;
  /** One inference of the float model with a processor of its own, a sample. */
  readonly secondsPerSample: number;
  /** Known from an earlier run; made of `secondsPerSample` when left out. */
  readonly secondsPerTrial?: number | undefined;
}

/**
 * Estimates the cost of a run from its trials and samples. The race, which stops hopeless trials, only makes it
 * less; the coordinator's work is in the overhead of a job.
 */
export function estimateCost(
  workload: Workload,
  request: RunRequest,
  options: EstimateOptions,
): CostEstimate {
  const { prices, evaluator, secondsPerSample } = options;
  const { optimizer, evaluation, statistics, finalists } = request;
  const { validation, configuration } = workload;
  const slowness = Math.max(1, MEGABYTES_A_PROCESSOR / evaluator.megabytes);
  const { duration_seconds = LATENCY_SECONDS } = configuration.optimizer.params.benchmark;
  const latency = optimizer.measureLatency ? duration_seconds : 0;
  const scoring = evaluation.samples * secondsPerSample * slowness;
  const secondsPerTrial =
    options.secondsPerTrial ?? scoring + latency + evaluation.shards * OVERHEAD_SECONDS_A_JOB;
  const gathering = gatheringSeconds(workload, secondsPerSample) * slowness;
  const validated = (validation?.samples ?? 0) * secondsPerSample * slowness + latency;
  const finishing = (finalists + MODELS_BESIDE_FINALISTS) * validated;
  // With the float model's; what an earlier run has scored is not scored again.
  const trials = Math.max(0, optimizer.maxTrials + 1 - (request.restored?.trials ?? 0));
  const jobs = trials * evaluation.shards + statistics.shards + 1;
  const evaluatorSeconds =
    trials * secondsPerTrial + gathering + finishing + (statistics.shards + 1) * OVERHEAD_SECONDS_A_JOB;
  const { usdPerGigabyteSecond, usdPerJob } = runPrices(prices);
  const gigabyteSeconds = (evaluatorSeconds * evaluator.megabytes) / MEGABYTES_A_GIGABYTE;
  const usd = gigabyteSeconds * usdPerGigabyteSecond[evaluator.architecture] + jobs * usdPerJob;
  const { date, region } = prices;
  return { usd, trials, jobs, secondsPerTrial, evaluatorSeconds, evaluator, prices: { date, region } };
}
