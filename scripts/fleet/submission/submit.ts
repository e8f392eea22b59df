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
  /** Told before anything is uploaded. */
  readonly onEstimate?: (estimate: CostEstimate) => void;
  readonly onUpload?: (progress: UploadProgress) => void;
  /** Told what the run begins with, and what could not be done as asked for. */
  readonly onNotice?: (sentence: string) => void;
}

/**
 * Has a fleet carry out a run: checks everything as `tune` does, uploads what the bucket lacks, and asks for the
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
 * As `submit`, for whoever stays to see the run's end.
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
    // Without it the run begins a start of the fleet's functions later, and nothing else.
    onAccepted: (request) => announceRun(events, request).catch(() => undefined),
  });
  const { runId } = message;
  if (!(await writeWorkloadDocument(store, runId, document))) throw usedName(runId);
  await events.send([{ body: JSON.stringify(message), group: runId, deduplication: `request/${runId}` }]);
  return new SubmittedRun(store, runId, workload, document.configurationHash);
}

/**
 * Uploads what a run works on, and writes into a folder what any program can ask for it with, as often as it wants:
 * `workload.json`, which goes to `runs/<run>/workload.json` in the bucket first, and `message.json`, which then goes to
 * the events queue, within the run's message group (docs/fleet.md, "On demand").
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
  /** As the fleet knows it. */
  readonly document: WorkloadDocument;
  readonly message: RunRequested;
}

/**
 * Uploads what a run works on and begins with, and makes the message that asks for it. Nothing of it is the run's alone,
 * so that it can be asked for under one name after another.
 */
export async function uploadRun(
  fleet: UploadTarget,
  source: ConfigurationSource,
  options: SubmitOptions,
  accepting: Pick<PreparedFor, "onAccepted"> = {},
): Promise<UploadedRun> {
  const { store } = fleet;
  return inTemporaryFolder("run", async (scratch) => {
    const target = { ...fleet, ...accepting, records: store, statistics: store };
    const { workload, configurationHash, request, estimate, restored, notices } = await prepareRun(
      source,
      options,
      target,
      scratch,
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
 * What `submit` would be expected to cost; nothing is uploaded or sent.
 *
 * @param fleet its evaluators' size is what is estimated with, and an earlier run is read from it; without one, it is
 *   estimated for a fleet of the construct's defaults
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function estimate(
  source: ConfigurationSource,
  options: PrepareOptions & Pick<SubmitOptions, "onNotice"> = {},
  { store, ...deployed }: Partial<UploadTarget> = {},
): Promise<CostEstimate> {
  const statistics = new MemoryObjectStore();
  const target = { ...deployed, statistics, ...(store && { records: store }) };
  return inTemporaryFolder("run", async (scratch) => {
    const prepared = await prepareRun(source, options, target, scratch);
    for (const notice of prepared.notices) options.onNotice?.(notice);
    return prepared.estimate;
  });
}
