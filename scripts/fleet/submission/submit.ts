import { join } from "node:path";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import type { RunRequested } from "../../../shared/run/protocol/messages.js";
import { requestKey } from "../../../shared/run/protocol/record-keys.js";
import { announceRun } from "../../../shared/run/protocol/run-announced.js";
import { type WorkloadDocument, writeWorkloadDocument } from "../../../shared/run/store/workload-document.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { inTemporaryFolder } from "../../../shared/storage/temporary-folder.js";
import type { ConfigurationSource } from "../../api/configuration.js";
import { requireWritable, writeWhole } from "../../api/output-folder.js";
import type { Fleet, UploadTarget } from "../deployment/fleet.js";
import { uploadRestored } from "../following/earlier-run.js";
import { requireRunName, usedName } from "../following/run-name.js";
import type { CostEstimate } from "./cost-estimate.js";
import type { UploadProgress } from "./file-upload.js";
import { type PreparedFor, type PrepareOptions, prepareRun } from "./prepare-run.js";
import { requestMessage } from "./request-message.js";
import { SubmittedRun } from "./submitted-run.js";
import { uploadWorkload } from "./workload-upload.js";

export interface SubmitOptions extends PrepareOptions {
  /** Called with the cost estimate before anything is uploaded. */
  readonly onEstimate?: (estimate: CostEstimate) => void;
  readonly onUpload?: (progress: UploadProgress) => void;
  /**
   * Called with sentences for the user: what the run starts from, and which request could not be followed.
   */
  readonly onNotice?: (sentence: string) => void;
}

/**
 * Submits a run to a fleet: checks everything as `tune` does, uploads what the bucket lacks, and requests the
 * run.
 *
 * @returns the run's name
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is sent
 */
export async function submit(
  fleet: Fleet,
  source: ConfigurationSource,
  options: SubmitOptions = {},
): Promise<string> {
  const { runId } = await submitRun(fleet, source, options);
  return runId;
}

/**
 * Like `submit`, and returns the run, to follow it and fetch its result.
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is sent
 */
export async function submitRun(
  fleet: Fleet,
  source: ConfigurationSource,
  options: SubmitOptions = {},
): Promise<SubmittedRun> {
  const { store, events } = fleet;
  if (options.runId !== undefined) {
    requireRunName(options.runId);
    if (await store.has(requestKey(options.runId))) throw usedName(options.runId);
  }
  const { workload, document, message } = await uploadRun(fleet, source, options, {
    // Announcing the run only warms the fleet's functions up, so a failure to announce is ignored.
    onAccepted: (request) => announceRun(events, request).catch(() => undefined),
  });
  const { runId } = message;
  if (!(await writeWorkloadDocument(store, runId, document))) throw usedName(runId);
  await events.send([{ body: JSON.stringify(message), group: runId, deduplication: `request/${runId}` }]);
  return new SubmittedRun(store, runId, workload, document.configurationHash);
}

/**
 * Uploads a run's workload and writes two documents with which any program can request the run repeatedly:
 * `workload.json`, to be stored as `runs/<run>/workload.json` in the bucket first, and `message.json`, to be
 * sent to the events queue in the run's message group (docs/guide/fleet.md, "Submit").
 *
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is uploaded
 */
export async function writeRunDocuments(
  fleet: UploadTarget,
  source: ConfigurationSource,
  folder: string,
  options: SubmitOptions = {},
): Promise<void> {
  await requireWritable(folder, "give another by --documents");
  const { document: workload, message } = await uploadRun(fleet, source, options);
  for (const [name, document] of Object.entries({ workload, message }))
    await writeWhole(join(folder, `${name}.json`), JSON.stringify(document));
}

interface UploadedRun {
  readonly workload: Workload;
  /** The description of the workload, with the paths of the uploaded files. */
  readonly document: WorkloadDocument;
  readonly message: RunRequested;
}

/**
 * Uploads a run's workload and the trials that it takes over from an earlier run, and creates the message that
 * requests the run. Nothing uploaded depends on the run's name, so it can be requested under several names.
 */
export async function uploadRun(
  fleet: UploadTarget,
  source: ConfigurationSource,
  options: SubmitOptions,
  hooks: Pick<PreparedFor, "onAccepted"> = {},
): Promise<UploadedRun> {
  const { store } = fleet;
  return inTemporaryFolder("run", async (temporaryFolder) => {
    const target = { ...fleet, ...hooks, records: store, statistics: store };
    const { workload, configurationHash, request, estimate, restored, notices } = await prepareRun(
      source,
      options,
      target,
      temporaryFolder,
    );
    for (const notice of notices) options.onNotice?.(notice);
    options.onEstimate?.(estimate);
    const message = requestMessage(request);
    if (restored !== undefined) await uploadRestored(store, restored);
    return {
      workload,
      document: await uploadWorkload(store, workload, configurationHash, options.onUpload),
      message,
    };
  });
}

/**
 * Estimates the cost of `submit`; nothing is uploaded or sent.
 *
 * @param fleet gives the evaluators' size and earlier runs; when omitted, the construct's defaults are
 * assumed
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function estimate(
  source: ConfigurationSource,
  options: PrepareOptions & Pick<SubmitOptions, "onNotice"> = {},
  { store, ...deployed }: Partial<UploadTarget> = {},
): Promise<CostEstimate> {
  const statistics = new MemoryObjectStore();
  const target = { ...deployed, statistics, ...(store && { records: store }) };
  return inTemporaryFolder("run", async (temporaryFolder) => {
    const prepared = await prepareRun(source, options, target, temporaryFolder);
    for (const notice of prepared.notices) options.onNotice?.(notice);
    return prepared.estimate;
  });
}
