import type { ConfigurationFor } from "../../configuration/supported.js";
import { FileObjectStore } from "../../storage/file-store.js";
import { Evaluator } from "../jobs/evaluator.js";
import { type JobContext, runJob } from "../jobs/run-job.js";
import { loadWorkload } from "../workload/workload.js";
import { openGate, serveJobs, type ThreadSettings } from "./job-thread.js";

/** Settings that the worker threads of a run on this machine are opened with. */
export interface LocalSettings {
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  /** Folder of the run's records; `statistics` has the folder and the number of shards of the statistics. */
  readonly records: string;
  readonly statistics: { readonly folder: string; readonly shards: number };
  readonly properties: Readonly<Record<string, string>>;
}

async function openContext(settings: LocalSettings & ThreadSettings): Promise<JobContext> {
  const store = await FileObjectStore.open(settings.records);
  const statistics = {
    store: await FileObjectStore.open(settings.statistics.folder),
    shards: settings.statistics.shards,
  };
  const openStatistics = async () => statistics.store;
  const workload = await loadWorkload(settings.configuration, settings.directory, openStatistics);
  return {
    workload,
    store,
    statistics: statistics.store,
    evaluator: new Evaluator({ workload, store, statistics, gate: openGate(settings) }),
    worker: settings.name,
    properties: settings.properties,
    now: Date.now,
  };
}

serveJobs<LocalSettings>(async (settings) => {
  const context = await openContext(settings);
  return { carryOut: (job, signal) => runJob(job, context, signal) };
});
