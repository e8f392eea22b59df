import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Queue } from "../../shared/queues/queue.js";
import { MESSAGE_VERSION, type RunRequested } from "../../shared/run/messages.js";
import { type WorkloadDocument, writeWorkloadDocument } from "../../shared/run/workload-document.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { S3ObjectStore } from "../../shared/storage/s3-store.js";
import type { ConfigurationSource } from "../api/configuration.js";
import type { CostEstimate, EvaluatorSize } from "./cost-estimate.js";
import { type PrepareOptions, prepareRun } from "./prepare-run.js";
import { inScratch } from "./scratch.js";
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
  const { workload, message } = await uploadRun({ store, ...(evaluator && { evaluator }) }, source, options);
  const { runId } = message;
  await writeWorkloadDocument(store, runId, workload);
  await events.send([{ body: JSON.stringify(message), group: runId, deduplication: `request/${runId}` }]);
  return runId;
}

/**
 * Uploads what a run works on, and writes into a folder what any program can ask for it with, as often as it wants:
 * `workload.json`, which goes to `runs/<run>/workload.json` in the bucket first, and `message.json`, which then goes to
 * the events queue, within the run's message group (docs/fleet.md, "On demand").
 *
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is uploaded
 */
export async function writeRunDocuments(
  fleet: Pick<Fleet, "store" | "evaluator">,
  source: ConfigurationSource,
  folder: string,
  options: SubmitOptions = {},
): Promise<void> {
  const documents = await uploadRun(fleet, source, options);
  await mkdir(folder, { recursive: true });
  for (const [name, document] of Object.entries(documents))
    await writeFile(join(folder, `${name}.json`), JSON.stringify(document));
}

/** Uploads what a run works on, and makes the message that asks for it. */
export async function uploadRun(
  { store, evaluator }: Pick<Fleet, "store" | "evaluator">,
  source: ConfigurationSource,
  options: SubmitOptions,
): Promise<{ readonly workload: WorkloadDocument; readonly message: RunRequested }> {
  return inScratch(async (scratch) => {
    const prepared = await prepareRun(
      source,
      { ...(evaluator && { evaluator }), ...options },
      async () => store,
      scratch,
    );
    const { workload, configurationHash, request, estimate } = prepared;
    options.onEstimate?.(estimate);
    const { runId, requestedAt: at } = request;
    return {
      workload: await uploadWorkload(store, workload, configurationHash, options.onUpload),
      message: { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request },
    };
  });
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
  return inScratch(
    async (scratch) => (await prepareRun(source, options, async () => statistics, scratch)).estimate,
  );
}
