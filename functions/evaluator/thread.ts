import "../interpreted-schemas.js";
import { fileURLToPath } from "node:url";
import { workloadConfiguration } from "../../shared/run/workload-document.js";
import { requireBoundedWorkload } from "../../shared/scoring/bounded-samples.js";
import { Evaluator } from "../../shared/scoring/evaluator.js";
import {
  openGate,
  openThreadStore,
  serveJobs,
  type ThreadSettings,
} from "../../shared/scoring/job-thread.js";
import { deployedModules } from "../../shared/scoring/metrics/module-location.js";
import { type JobContext, runJob } from "../../shared/scoring/run-job.js";
import { loadWorkload } from "../../shared/scoring/workload.js";
import type { RunSettings } from "../run-workers.js";

/** Model, data and statistics of one run, kept for as long as the thread lives. */
async function openContext(settings: RunSettings & ThreadSettings): Promise<JobContext> {
  const { directory, contents, document, statisticsShards, name, properties } = settings;
  const store = openThreadStore(settings);
  const configuration = workloadConfiguration(document, directory);
  const workload = await loadWorkload(configuration, directory, async () => store, {
    locateModule: deployedModules(fileURLToPath(new URL(".", import.meta.url))),
    contents,
  });
  // Whoever asked for the run had another machine's memory.
  await requireBoundedWorkload(workload);
  const statistics = { store, shards: statisticsShards };
  const gate = openGate(settings);
  return {
    workload,
    store,
    statistics: store,
    evaluator: new Evaluator({ workload, store, statistics, gate }),
    worker: name,
    properties,
    now: Date.now,
  };
}

serveJobs<RunSettings>(async (settings) => {
  const context = await openContext(settings);
  return { carryOut: (job, signal) => runJob(job, context, signal) };
});
