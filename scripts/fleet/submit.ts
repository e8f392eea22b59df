import { ConfigurationError } from "../../shared/errors.js";
import type { Queue } from "../../shared/queues/queue.js";
import { configurationHash } from "../../shared/run/configuration/hash.js";
import type { RunConfiguration } from "../../shared/run/configuration/schema.js";
import { requireSupported } from "../../shared/run/configuration/supported.js";
import { MESSAGE_VERSION } from "../../shared/run/messages.js";
import type { RunRequest } from "../../shared/run/request.js";
import { writeWorkloadDocument } from "../../shared/run/workload-document.js";
import { makeRunRequest } from "../../shared/scoring/run-request.js";
import { loadWorkload, type Workload } from "../../shared/scoring/workload.js";
import type { S3ObjectStore } from "../../shared/storage/s3-store.js";
import {
  type ConfigurationSource,
  loadConfiguration,
  type OptimizerOverrides,
} from "../api/configuration.js";
import { requireUploadable, type UploadProgress, uploadWorkload } from "./workload-upload.js";

/** A stack as programs reach it: its bucket and the queue that its coordinator hears. */
export interface Fleet {
  readonly store: S3ObjectStore;
  readonly events: Queue;
}

export interface SubmitOptions extends OptimizerOverrides {
  /** Made of the configuration's hash and the time when left out. */
  readonly runId?: string;
  /** Trials side by side; 8 when left out. */
  readonly parallel?: number;
  /** Jobs that a trial's evaluation samples are spread over; 1 when left out. */
  readonly evaluationShards?: number;
  readonly statisticsShards?: number;
  readonly onUpload?: (progress: UploadProgress) => void;
}

const DEFAULT_PARALLEL = 8;
const RUN_ID_HASH_LENGTH = 12;
const BASE_36 = 36;

/** An evaluator works on a job for 15 minutes at most, and there may be a queue before it. */
const TIMEOUT_MILLISECONDS = 30 * 60_000;

/**
 * Has a fleet carry out a run: checks everything as `tune` does, uploads what the bucket lacks, and asks for the
 * run.
 *
 * @returns the run's name
 * @throws {ConfigurationError | ModelError | DataError} before anything is sent
 */
export async function submit(
  { store, events }: Fleet,
  source: ConfigurationSource,
  options: SubmitOptions = {},
): Promise<string> {
  const { configuration, directory } = await loadConfiguration(source, options);
  requireSupported(configuration, "tune");
  requireColdStart(configuration);
  requireUploadable(configuration);
  const workload = await loadWorkload(configuration, directory, async () => store);
  const hash = configurationHash(configuration);
  const at = Date.now();
  const runId = options.runId ?? `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${at.toString(BASE_36)}`;
  const document = await uploadWorkload(store, workload, hash, options.onUpload);
  await writeWorkloadDocument(store, runId, document);
  const request = fleetRequest(workload, runId, at, options);
  const event = { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request };
  await events.send([{ body: JSON.stringify(event), group: runId, deduplication: `request/${runId}` }]);
  return runId;
}

/** @throws {ConfigurationError} as earlier runs are found in an output folder */
function requireColdStart({ optimizer }: RunConfiguration): void {
  const { trials_load_method: method } = optimizer.params;
  if (method === "cold_start") return;
  throw new ConfigurationError(
    `optimizer.params.trials_load_method is "${method}", which reads earlier runs of an output folder, and a fleet has none; use "cold_start", or run tune on this machine.`,
    "optimizer.params.trials_load_method",
  );
}

function fleetRequest(
  workload: Workload,
  runId: string,
  requestedAt: number,
  options: SubmitOptions,
): RunRequest {
  const parallel = options.parallel ?? DEFAULT_PARALLEL;
  // The instruction set is the fleet's, which the first result tells.
  const { isa: _, ...request } = makeRunRequest(workload, {
    runId,
    requestedAt,
    parallel,
    statisticsShards: Math.min(options.statisticsShards ?? parallel, workload.calibrationBatches.count),
    evaluationShards: options.evaluationShards ?? 1,
    timeouts: {
      statistics: TIMEOUT_MILLISECONDS,
      trial: TIMEOUT_MILLISECONDS,
      finish: TIMEOUT_MILLISECONDS,
    },
  });
  return request;
}
