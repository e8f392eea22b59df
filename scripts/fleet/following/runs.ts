import { join } from "node:path";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { ownCopy } from "../../../shared/metrics/module-bundle.js";
import { MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { describeProgress, type Progress } from "../../../shared/run/result/progress.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import { readWorkloadDocument, workloadConfiguration } from "../../../shared/run/store/workload-document.js";
import { fetchWorkloadFiles } from "../../../shared/run/store/workload-folder.js";
import { inTemporaryFolder } from "../../../shared/storage/temporary-folder.js";
import { requireOwnResult, requireWritable } from "../../api/output-folder.js";
import type { Fleet } from "../deployment/fleet.js";
import { unknownRun } from "./earlier-run.js";
import { lookAtEnded, writeEnded } from "./ended-run.js";
import { openRun, type ReadOptions } from "./open-run.js";
import { requireRunName } from "./run-name.js";

/**
 * How far a run of the fleet has come.
 * @throws {QuantfleetError} when there is no such run
 */
export async function status(
  { store }: Pick<Fleet, "store">,
  runId: string,
  { metricModule }: ReadOptions = {},
): Promise<Progress> {
  const seen = await openRun(store, runId, metricModule).look();
  if (seen === undefined) throw unknownRun(runId);
  return describeProgress(seen.state, Date.now());
}

/**
 * Ends a run's search at once; the best of what has finished is written.
 * @throws {QuantfleetError} when there is no such run
 */
export async function cancel(
  { store, events }: Pick<Fleet, "store" | "events">,
  runId: string,
): Promise<void> {
  requireRunName(runId);
  // Nobody carries a message of a run that nobody has asked for: it would end in the dead letters, and ring their alarm.
  if ((await readWorkloadDocument(store, runId)) === undefined) throw unknownRun(runId);
  const event = { version: MESSAGE_VERSION, type: "CancelRequested", runId, at: Date.now() };
  await events.send([{ body: JSON.stringify(event), group: runId, deduplication: `cancel/${runId}` }]);
}

export interface FetchOptions extends ReadOptions {
  /** Replace the result of another run in the folder. */
  readonly force?: boolean | undefined;
}

/**
 * Writes what an ended run came to into a folder, as `tune` does on one machine.
 * @throws {UsageError} when the folder holds the result of another run
 * @throws {QuantfleetError} when there is no such run, when it has not ended, or when it failed
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
    const locateModule = ownCopy(metricModule);
    const ended = await lookAtEnded(openRun(store, runId, metricModule), runId);
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
    return writeEnded(ended, { out, workload, hash: document.configurationHash, store });
  });
}
