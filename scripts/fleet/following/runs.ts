import { join } from "node:path";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { localCopy } from "../../../shared/metrics/module-bundle.js";
import { MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { describeProgress, type Progress } from "../../../shared/run/result/progress.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import { readWorkloadDocument, workloadConfiguration } from "../../../shared/run/store/workload-document.js";
import { fetchWorkloadFiles } from "../../../shared/run/store/workload-folder.js";
import { inTemporaryFolder } from "../../../shared/storage/temporary-folder.js";
import { requireOwnResult, requireWritable } from "../../api/output-folder.js";
import type { Fleet } from "../deployment/fleet.js";
import { unknownRun } from "./earlier-run.js";
import { readEndedState, writeEndedResult } from "./ended-run.js";
import { openRun, type ReadOptions } from "./open-run.js";
import { requireRunName } from "./run-name.js";

/**
 * The progress of a run of the fleet.
 * @throws {QuantfleetError} when there is no such run
 */
export async function status(
  { store }: Pick<Fleet, "store">,
  runId: string,
  { metricModule }: ReadOptions = {},
): Promise<Progress> {
  const seen = await openRun(store, runId, metricModule).read();
  if (seen === undefined) throw unknownRun(runId);
  return describeProgress(seen.state, Date.now());
}

/**
 * Stops a run's search; the best of the finished trials is written.
 * @throws {QuantfleetError} when there is no such run
 */
export async function cancel(
  { store, events }: Pick<Fleet, "store" | "events">,
  runId: string,
): Promise<void> {
  requireRunName(runId);
  // A message of a run that was never requested would end in the dead-letter queue and raise its alarm.
  if ((await readWorkloadDocument(store, runId)) === undefined) throw unknownRun(runId);
  const event = { version: MESSAGE_VERSION, type: "CancelRequested", runId, at: Date.now() };
  await events.send([{ body: JSON.stringify(event), group: runId, deduplication: `cancel/${runId}` }]);
}

export interface FetchOptions extends ReadOptions {
  /** Whether the result of another run in the folder may be replaced. */
  readonly force?: boolean | undefined;
}

/**
 * Writes the result of an ended run into a folder, as `tune` does on one machine.
 * @throws {UsageError} when the folder holds the result of another run
 * @throws {QuantfleetError} when there is no such run, it has not ended, or it failed
 */
export async function fetchResult(
  { store }: Pick<Fleet, "store">,
  runId: string,
  out: string,
  { metricModule, force = false }: FetchOptions = {},
): Promise<RunResult> {
  await requireWritable(out);
  if (!force) await requireOwnResult(out, runId);
  return inTemporaryFolder("run", async (folder) => {
    const locateModule = localCopy(metricModule);
    const ended = await readEndedState(openRun(store, runId, metricModule), runId);
    const document = await readWorkloadDocument(store, runId);
    if (document === undefined) throw unknownRun(runId);
    const directory = join(folder, "workload");
    await fetchWorkloadFiles(store, document.files, { folder: directory, cache: join(folder, "contents") });
    const workload = await loadWorkload(
      workloadConfiguration(document, directory),
      directory,
      async () => store,
      { locateModule },
    );
    return writeEndedResult(ended, { out, workload, hash: document.configurationHash, store });
  });
}
