import { ConfigurationError } from "../../shared/errors.js";
import { configurationHash } from "../../shared/run/configuration/hash.js";
import { resolvePath } from "../../shared/run/configuration/parse.js";
import type { RunConfiguration } from "../../shared/run/configuration/schema.js";
import { type ConfigurationFor, requireSupported } from "../../shared/run/configuration/supported.js";
import type { RunRequest } from "../../shared/run/request.js";
import { prepareModelFile } from "../../shared/scoring/prepare-model.js";
import { makeRunRequest } from "../../shared/scoring/run-request.js";
import { loadWorkload, type Workload } from "../../shared/scoring/workload.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import {
  type ConfigurationSource,
  loadConfiguration,
  type OptimizerOverrides,
} from "../api/configuration.js";
import { type CostEstimate, type EvaluatorSize, estimateCost } from "./cost-estimate.js";
import { measureSecondsPerSample } from "./measure-inference.js";
import { hasImages, packImages } from "./pack-images.js";
import { readPriceList, runPrices } from "./price-list.js";
import { trialsSideBySide } from "./side-by-side.js";

export interface PrepareOptions extends OptimizerOverrides {
  /** Made of the configuration's hash and the time when left out. */
  readonly runId?: string;
  /** Trials side by side; when left out, some more than evaluators work at once (`trialsSideBySide`). */
  readonly parallel?: number;
  /** Jobs that a trial's evaluation samples are spread over; 1 when left out. */
  readonly evaluationShards?: number;
  readonly statisticsShards?: number;
  /** After so long an unanswered job is sent again, and after twice as long once more; 30 minutes when left out. */
  readonly jobTimeoutSeconds?: number;
  /** Memory and architecture of the fleet's evaluators, for the estimate; the construct's defaults when left out. */
  readonly evaluator?: EvaluatorSize;
  /** What a trial takes, for the estimate; made of the float model's time on this machine when left out. */
  readonly secondsPerTrial?: number;
  /** A price list of another region or date. */
  readonly prices?: string;
}

/** Everything about a run that is decided before anybody is asked to carry it out. */
export interface PreparedRun {
  readonly workload: Workload;
  readonly configurationHash: string;
  readonly request: RunRequest;
  readonly estimate: CostEstimate;
}

/** Those of the construct (infra/quant-fleet-props.ts). */
const DEFAULT_EVALUATOR: EvaluatorSize = { megabytes: 3_538, architecture: "arm64" };
const RUN_ID_HASH_LENGTH = 12;
const BASE_36 = 36;

/** An evaluator works on a job for 15 minutes at most, and there may be a queue before it. */
const JOB_TIMEOUT_SECONDS = 1_800;

/** @throws {ConfigurationError} as earlier runs are found in an output folder, which a fleet has none of */
function requireColdStart({ optimizer }: RunConfiguration): void {
  const { trials_load_method: method } = optimizer.params;
  if (method === "cold_start") return;
  throw new ConfigurationError(
    `optimizer.params.trials_load_method is "${method}", which reads the earlier runs of an output folder, and a fleet has none; use "cold_start", or run tune on this machine.`,
    "optimizer.params.trials_load_method",
  );
}

/**
 * Checks everything as `tune` does, and estimates what the run will cost.
 *
 * @param scratch a folder for files that the prepared run names, such as arrays made of images
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function prepareRun(
  source: ConfigurationSource,
  options: PrepareOptions,
  openStatistics: () => Promise<ObjectStore>,
  scratch: string,
): Promise<PreparedRun> {
  const prices = await readPriceList(options.prices);
  const { configuration, directory } = await loadConfiguration(source, options);
  requireSupported(configuration, "tune");
  requireColdStart(configuration);
  const packed = hasImages(configuration)
    ? await packImages(configuration, directory, await modelInputs(configuration, directory), scratch)
    : configuration;
  const workload = await loadWorkload(packed, directory, openStatistics);
  const hash = configurationHash(configuration);
  const unpriced = fleetRequest(workload, hash, options);
  const estimate = estimateCost(workload, unpriced, {
    prices,
    evaluator: options.evaluator ?? DEFAULT_EVALUATOR,
    secondsPerSample: await measureSecondsPerSample(workload),
    secondsPerTrial: options.secondsPerTrial,
  });
  const { max_cost_usd: maxUsd } = configuration.optimizer.params;
  const cost = {
    ...runPrices(prices),
    estimatedUsd: estimate.usd,
    ...(maxUsd === undefined ? {} : { maxUsd }),
  };
  return { workload, configurationHash: hash, request: { ...unpriced, cost }, estimate };
}

async function modelInputs({ model }: ConfigurationFor<"tune">, directory: string) {
  return (await prepareModelFile(resolvePath(directory, model.model))).inputs;
}

function fleetRequest(workload: Workload, hash: string, options: PrepareOptions): RunRequest {
  const requestedAt = Date.now();
  const usual = trialsSideBySide(options.evaluator?.concurrency);
  const { parallel = usual.parallel, statisticsShards = options.parallel ?? usual.evaluators } = options;
  const timeout = (options.jobTimeoutSeconds ?? JOB_TIMEOUT_SECONDS) * 1_000;
  // The instruction set is the fleet's, which the first result tells.
  const { isa: _, ...request } = makeRunRequest(workload, {
    runId: options.runId ?? `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${requestedAt.toString(BASE_36)}`,
    requestedAt,
    parallel,
    statisticsShards: Math.min(statisticsShards, workload.calibrationBatches.count),
    evaluationShards: options.evaluationShards ?? 1,
    timeouts: { statistics: timeout, trial: timeout, finish: timeout },
  });
  return request;
}
