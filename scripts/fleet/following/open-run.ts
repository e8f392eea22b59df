import { openStudy } from "../../../shared/evaluation/workload/workload-study.js";
import { localCopy } from "../../../shared/metrics/module-bundle.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { inTemporaryFolder } from "../../../shared/storage/temporary-folder.js";
import { FollowedRun } from "./followed-run.js";
import { requireRunName } from "./run-name.js";

export interface ReadOptions {
  /** Path of a local copy of the run's metric module, if it has one; code is never loaded from the fleet. */
  readonly metricModule?: string | undefined;
}

/** Opens a run for repeated reading, with the metric that its trials are judged by. */
export function openRun(store: ObjectStore, runId: string, metricModule: string | undefined): FollowedRun {
  requireRunName(runId);
  // The temporary folder may be removed, because a metric reads its files when it is created.
  return new FollowedRun(store, runId, () =>
    inTemporaryFolder("run", (folder) => openStudy(store, runId, folder, localCopy(metricModule))),
  );
}
