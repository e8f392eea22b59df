import type { Queue } from "../../shared/queues/queue.js";
import { MESSAGE_VERSION } from "../../shared/run/messages.js";
import { writeWorkloadDocument } from "../../shared/run/workload-document.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { S3ObjectStore } from "../../shared/storage/s3-store.js";
import type { ConfigurationSource } from "../api/configuration.js";
import type { CostEstimate, EvaluatorSize } from "./cost-estimate.js";
import { type PrepareOptions, prepareRun } from "./prepare-run.js";
import { type UploadProgress, uploadWorkload } from "./workload-upload.js";

/** A stack as programs reach it: its bucket and the queue that its coordinator hears. */
export interface Fleet {
  readonly store: S3ObjectStore;
  readonly events: Queue;
  /** Its evaluators, for estimates; those of the construct's defaults when left out. */
  readonly evaluator?: EvaluatorSize;
}

export interface SubmitOptions extends PrepareOptions {
  /** Told before anything is uploaded. */
  readonly onEstimate?: (estimate: CostEstimate) => void;
  readonly onUpload?: (progress: UploadProgress) => void;
}

/**
 * Has a fleet carry out a run: checks everything as `tune` does, uploads what the bucket lacks, and asks for the
 * run.
 *
 * @returns the run's name
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is sent
 */
export async function submit(
  { store, events, evaluator }: Fleet,
  source: ConfigurationSource,
  options: SubmitOptions = {},
): Promise<string> {
  const prepared = await prepareRun(
    source,
    { ...(evaluator === undefined ? {} : { evaluator }), ...options },
    async () => store,
  );
  const { workload, configurationHash, request, estimate } = prepared;
  options.onEstimate?.(estimate);
  const { runId, requestedAt: at } = request;
  const document = await uploadWorkload(store, workload, configurationHash, options.onUpload);
  await writeWorkloadDocument(store, runId, document);
  const event = { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request };
  await events.send([{ body: JSON.stringify(event), group: runId, deduplication: `request/${runId}` }]);
  return runId;
}

/**
 * What `submit` would be expected to cost; nothing is uploaded or sent.
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function estimate(
  source: ConfigurationSource,
  options: PrepareOptions = {},
): Promise<CostEstimate> {
  const statistics = new MemoryObjectStore();
  return (await prepareRun(source, options, async () => statistics)).estimate;
}
