import { openStudy } from "../../../shared/evaluation/workload/workload-study.js";
import { ownCopy } from "../../../shared/metrics/module-bundle.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { inTemporaryFolder } from "../../../shared/storage/temporary-folder.js";
import { FollowedRun } from "./followed-run.js";
import { requireRunName } from "./run-name.js";

export interface ReadOptions {
  /** This machine's copy of the run's metric module, where it has one: code is not taken from the fleet. */
  readonly metricModule?: string | undefined;
}

/** A run that is read again and again, with the metric that its trials are judged by. */
export function openRun(store: ObjectStore, runId: string, metricModule: string | undefined): FollowedRun {
  requireRunName(runId);
  // A metric takes what it needs of its files when it is created.
  return new FollowedRun(store, runId, () =>
    inTemporaryFolder("run", (folder) => openStudy(store, runId, folder, ownCopy(metricModule))),
  );
}
