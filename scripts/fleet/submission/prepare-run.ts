import { withProcessor } from "../../../shared/configuration/hardware-file.js";
import { configurationHash } from "../../../shared/configuration/hash.js";
import { resolvePath } from "../../../shared/configuration/parse.js";
import { type ConfigurationFor, requireSupported } from "../../../shared/configuration/supported.js";
import { checkWorkload } from "../../../shared/evaluation/checks/check-workload.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeRunRequest, type RequestOptions } from "../../../shared/evaluation/workload/run-request.js";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { referenceTo } from "../../../shared/metrics/module-bundle.js";
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
import { trialsSideBySide } from "./parallel-trials.js";
import { noticesOfRegion, readPriceList, runPrices } from "./price-list.js";
import { planGathering } from "./statistics-plan.js";

export interface PrepareOptions extends OptimizerOverrides {
  /** Made of the configuration's hash and the time when left out. */
  readonly runId?: string;
  /** Trials side by side; when left out, some more than evaluators work at once (`trialsSideBySide`). */
  readonly parallel?: number;
  /** Jobs that a trial's evaluation samples are spread over; 1 when left out. */
  readonly evaluationShards?: number;
  /**
   * Collectors that statistics are gathered by; when left out, an evaluator where that takes no longer than to start
   * them, and else as many as evaluators work at once.
   */
  readonly statisticsShards?: number;
  /** After so long an unanswered job is sent again, and after twice as long once more; 30 minutes when left out. */
  readonly jobTimeoutSeconds?: number;
  /** What a trial takes, for the estimate; made of the float model's time on this machine when left out. */
  readonly secondsPerTrial?: number;
  /** A price list of another region or date. */
  readonly prices?: string;
  /** Where `trials_load_method` finds what the run begins with; a run that begins anew needs none. */
  readonly from?: EarlierRunName;
}

/** Whom a run is prepared for. */
export interface PreparedFor extends Deployed {
  /** The fleet's records, for an earlier run of it. */
  readonly records?: ObjectStore;
  readonly statistics: ObjectStore;
  /** Told when nothing about the run can be refused any more, before its model is timed. */
  readonly onAccepted?: (request: RunRequest) => Promise<void>;
}

/** Everything about a run that is decided before anybody is asked to carry it out. */
export interface PreparedRun {
  readonly workload: Workload;
  readonly configurationHash: string;
  readonly request: RunRequest;
  readonly estimate: CostEstimate;
  /** The trials that it begins with, where it begins with any. */
  readonly restored?: RestoredTrials;
  /** What it begins with, and what could not be done as asked for; a sentence each. */
  readonly notices: readonly string[];
}

/** Those of the construct (infra/quant-fleet-props.ts). */
const DEFAULT_EVALUATOR: EvaluatorSize = { megabytes: 3_008, architecture: "arm64" };
const RUN_ID_HASH_LENGTH = 12;
const BASE_36 = 36;

/** An evaluator works on a job for 15 minutes at most, and there may be a queue before it. */
const JOB_TIMEOUT_SECONDS = 1_800;

/**
 * Checks everything as `tune` does, and estimates what the run will cost.
 *
 * @param scratch a folder for files that the prepared run names, such as arrays made of images
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function prepareRun(
  source: ConfigurationSource,
  options: PrepareOptions,
  { records, statistics, evaluator, metricModules, onAccepted }: PreparedFor,
  scratch: string,
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
    ? await packImages(configuration, directory, await modelInputs(configuration, directory), scratch)
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
  const gathering = gatheringOf(workload, secondsPerSample, options, evaluator);
  const unpriced = { ...planned, statistics: { ...planned.statistics, ...gathering } };
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
  // The fleet's instruction set is what the first result tells, unless trials that are there already tell it.
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
 * The class that CPU stands for in a fleet. Lambda's x86 comes in several classes, and which of them answers is not known
 * beforehand: the codes are those that are exact on each.
 */
function processorOf({ architecture }: Pick<EvaluatorSize, "architecture">): ProcessorClass {
  return architecture === "arm64" ? "CPU_ARM64" : "CPU_AVX2";
}

/** @throws {ConfigurationError} when the metric is of a module that the fleet was not deployed with */
function requireDeployed({ engine }: ConfigurationFor<"tune">, directory: string, deployed: string): void {
  const { metric } = engine;
  if ("module" in metric) requireListed(referenceTo(resolvePath(directory, metric.module)), deployed);
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
  const { parallel = trialsSideBySide(evaluator?.concurrency).parallel } = options;
  const timeout = (options.jobTimeoutSeconds ?? JOB_TIMEOUT_SECONDS) * 1_000;
  return makeRunRequest(workload, {
    runId: options.runId ?? `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${requestedAt.toString(BASE_36)}`,
    requestedAt,
    parallel,
    evaluationShards: options.evaluationShards ?? 1,
    timeouts: { statistics: timeout, trial: timeout, finish: timeout },
    // Who gathers them is known once the model was timed.
    statistics: { shards: 1 },
    ...start,
  });
}

function gatheringOf(
  workload: Workload,
  secondsPerSample: number,
  { parallel, statisticsShards }: PrepareOptions,
  evaluator: EvaluatorSize | undefined,
): RequestOptions["statistics"] {
  if (statisticsShards === undefined) {
    const collectors = parallel ?? trialsSideBySide(evaluator?.concurrency).evaluators;
    return planGathering(workload, secondsPerSample, collectors);
  }
  return { shards: Math.min(statisticsShards, workload.calibrationBatches.count) };
}
