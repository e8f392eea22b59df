import { withProcessor } from "../../../shared/configuration/hardware-file.js";
import { configurationHash } from "../../../shared/configuration/hash.js";
import { resolvePath } from "../../../shared/configuration/parse.js";
import { type ConfigurationFor, requireSupported } from "../../../shared/configuration/supported.js";
import { checkWorkload } from "../../../shared/evaluation/checks/check-workload.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeRunRequest, type RequestOptions } from "../../../shared/evaluation/workload/run-request.js";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { moduleReferenceOf } from "../../../shared/metrics/module-bundle.js";
import { requireListed } from "../../../shared/metrics/module-location.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { writeRestoredRecord } from "../../../shared/run/records/restored-record.js";
import type { ProcessorClass } from "../../../shared/runtime/processor-class.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { warningText } from "../../../shared/validation/warnings.js";
import {
  type ConfigurationSource,
  loadConfiguration,
  type OptimizerOverrides,
} from "../../api/configuration.js";
import { planStart } from "../../api/run-start.js";
import type { Deployed, EvaluatorSize } from "../deployment/fleet.js";
import {
  type EarlierRunName,
  expectedIsa,
  findEarlierRuns,
  type RestoredTrials,
} from "../following/earlier-run.js";
import { requireRunName } from "../following/run-name.js";
import { type CostEstimate, estimateCost } from "./cost-estimate.js";
import { measureSecondsPerSample } from "./measure-inference.js";
import { hasImages, packImages } from "./pack-images.js";
import { defaultParallelTrials } from "./parallel-trials.js";
import { noticesOfRegion, readPriceList, runPrices } from "./price-list.js";
import { planStatistics } from "./statistics-plan.js";

export interface PrepareOptions extends OptimizerOverrides {
  /** Name of the run; made from the configuration's hash and the time when omitted. */
  readonly runId?: string;
  /**
   * Number of trials in progress at a time; when omitted, somewhat more than concurrent evaluators
   * (`defaultParallelTrials`).
   */
  readonly parallel?: number;
  /** Number of jobs over which a trial's evaluation samples are spread; 1 when omitted. */
  readonly evaluationShards?: number;
  /**
   * Number of collectors, functions that gather statistics; when omitted, one evaluator if gathering is faster
   * than starting collectors, otherwise as many collectors as concurrent evaluators.
   */
  readonly statisticsShards?: number;
  /**
   * Seconds after which an unanswered job is sent again; after twice that time it is sent a third time. 30
   * minutes when omitted.
   */
  readonly jobTimeoutSeconds?: number;
  /** Seconds per trial, for the cost estimate; measured with the float model on this machine when omitted. */
  readonly secondsPerTrial?: number;
  /** Path of a price list for another region or date. */
  readonly prices?: string;
  /** The earlier run that `trials_load_method` starts from; not needed for `cold_start`. */
  readonly from?: EarlierRunName;
}

/** What is needed of the fleet that a run is prepared for. */
export interface PreparedFor extends Deployed {
  /** The store of the fleet's run records, to start from one of its earlier runs. */
  readonly records?: ObjectStore;
  readonly statistics: ObjectStore;
  /** Called once all checks have passed, before the model is timed. */
  readonly onAccepted?: (request: RunRequest) => Promise<void>;
}

/** A checked run, ready to be requested. */
export interface PreparedRun {
  readonly workload: Workload;
  readonly configurationHash: string;
  readonly request: RunRequest;
  readonly estimate: CostEstimate;
  /** Trials of an earlier run that the run starts from. */
  readonly restored?: RestoredTrials;
  /** Sentences for the user: what the run starts from, and which request could not be followed. */
  readonly notices: readonly string[];
}

/** Size of the evaluators that the construct deploys by default (infra/quant-fleet-props.ts). */
const DEFAULT_EVALUATOR: EvaluatorSize = { megabytes: 3_008, architecture: "arm64" };
const RUN_ID_HASH_LENGTH = 12;
const BASE_36 = 36;

/** Default job timeout: evaluators run for at most 15 minutes, and jobs wait in a queue first. */
const JOB_TIMEOUT_SECONDS = 1_800;

/**
 * Checks a run as `tune` does, and estimates its cost.
 *
 * @param temporaryFolder for files that the prepared run refers to, such as arrays made of images
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function prepareRun(
  source: ConfigurationSource,
  options: PrepareOptions,
  { records, statistics, evaluator, metricModules, onAccepted }: PreparedFor,
  temporaryFolder: string,
): Promise<PreparedRun> {
  if (options.runId !== undefined) requireRunName(options.runId);
  const prices = await readPriceList(options.prices);
  const { configuration: asked, directory, notes } = await loadConfiguration(source, options);
  requireSupported(asked, "tune");
  const configuration = withProcessor(asked, processorOf(evaluator ?? DEFAULT_EVALUATOR));
  const { trials_load_method: method, max_cost_usd: maxUsd } = configuration.optimizer.params;
  const earlier = await findEarlierRuns(method, options.from, records);
  if (metricModules !== undefined) requireDeployed(configuration, directory, metricModules);
  const packed = hasImages(configuration)
    ? await packImages(configuration, directory, await modelInputs(configuration, directory), temporaryFolder)
    : configuration;
  const hash = configurationHash(configuration);
  const { workload, space, restored, isa, maxTrials, lossReference, notices } = await planStart({
    configuration: packed,
    directory,
    earlier,
    openStatistics: async () => statistics,
    draft: (candidate, state) => ({
      ...fleetRequest(candidate, hash, options, evaluator),
      isa: expectedIsa(state, evaluator, options.from),
    }),
  });
  const warnings = [...notes, ...(await checkWorkload(workload))];
  const record = restored.length === 0 ? undefined : writeRestoredRecord(space.parameters, restored);
  const planned = fleetRequest(workload, hash, options, evaluator, {
    start: space,
    ...(record === undefined ? {} : { restored: record.reference }),
    ...(maxTrials === undefined ? {} : { maxTrials }),
    ...(lossReference === undefined ? {} : { lossReference }),
    warnings,
  });
  await onAccepted?.(planned);
  const secondsPerSample = await measureSecondsPerSample(workload);
  const statisticsPlan = statisticsPlanOf(workload, secondsPerSample, options, evaluator);
  const unpriced = { ...planned, statistics: { ...planned.statistics, ...statisticsPlan } };
  const estimate = estimateCost(workload, unpriced, {
    prices,
    evaluator: evaluator ?? DEFAULT_EVALUATOR,
    secondsPerSample,
    secondsPerTrial: options.secondsPerTrial,
  });
  const cost = {
    ...runPrices(prices),
    estimatedUsd: estimate.usd,
    ...(maxUsd === undefined ? {} : { maxUsd }),
  };
  // The request names the processor class only with restored trials; otherwise the first result determines it.
  const request = { ...unpriced, cost, ...(record === undefined || isa === undefined ? {} : { isa }) };
  return {
    workload,
    configurationHash: hash,
    request,
    estimate,
    ...(record === undefined ? {} : { restored: { trials: restored, record, records: earlier.records } }),
    notices: [...notices, ...noticesOfRegion(prices, evaluator?.region), ...warnings.map(warningText)],
  };
}

/**
 * The processor class that target device CPU means in a fleet. Lambda has several classes of x86 and which
 * will run is unknown, so the weights get codes that are exact on all of them.
 */
function processorOf({ architecture }: Pick<EvaluatorSize, "architecture">): ProcessorClass {
  return architecture === "arm64" ? "CPU_ARM64" : "CPU_AVX2";
}

/** @throws {ConfigurationError} when the metric is a module that the fleet was not deployed with */
function requireDeployed({ engine }: ConfigurationFor<"tune">, directory: string, deployed: string): void {
  const { metric } = engine;
  if ("module" in metric) requireListed(moduleReferenceOf(resolvePath(directory, metric.module)), deployed);
}

async function modelInputs({ model }: ConfigurationFor<"tune">, directory: string) {
  return (await prepareModelFile(resolvePath(directory, model.model))).inputs;
}

function fleetRequest(
  workload: Workload,
  hash: string,
  options: PrepareOptions,
  evaluator: EvaluatorSize | undefined,
  start: Partial<RequestOptions> = {},
): RunRequest {
  const requestedAt = Date.now();
  const { parallel = defaultParallelTrials(evaluator?.concurrency).parallel } = options;
  const timeout = (options.jobTimeoutSeconds ?? JOB_TIMEOUT_SECONDS) * 1_000;
  return makeRunRequest(workload, {
    runId: options.runId ?? `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${requestedAt.toString(BASE_36)}`,
    requestedAt,
    parallel,
    evaluationShards: options.evaluationShards ?? 1,
    timeouts: { statistics: timeout, trial: timeout, finish: timeout },
    // The number of shards is replaced once the model was timed, as gathering is planned from its speed.
    statistics: { shards: 1 },
    ...start,
  });
}

function statisticsPlanOf(
  workload: Workload,
  secondsPerSample: number,
  { parallel, statisticsShards }: PrepareOptions,
  evaluator: EvaluatorSize | undefined,
): RequestOptions["statistics"] {
  if (statisticsShards === undefined) {
    const collectors = parallel ?? defaultParallelTrials(evaluator?.concurrency).evaluators;
    return planStatistics(workload, secondsPerSample, collectors);
  }
  return { shards: Math.min(statisticsShards, workload.calibrationBatches.count) };
}
