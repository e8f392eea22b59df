import "../interpreted-schemas.js";
import { fileURLToPath } from "node:url";
import { Evaluator } from "../../shared/evaluation/jobs/evaluator.js";
import { type JobContext, runJob } from "../../shared/evaluation/jobs/run-job.js";
import {
  openGate,
  openThreadStore,
  serveJobs,
  type ThreadSettings,
} from "../../shared/evaluation/threads/job-thread.js";
import { requireBoundedWorkload } from "../../shared/evaluation/workload/bounded-samples.js";
import { loadWorkload } from "../../shared/evaluation/workload/workload.js";
import { deployedModules } from "../../shared/metrics/module-location.js";
import { workloadConfiguration } from "../../shared/run/store/workload-document.js";
import type { RunSettings } from "../run-workers.js";

/** Loads what all jobs of one run share: model, data and statistics, kept for the lifetime of the thread. */
async function openContext(settings: RunSettings & ThreadSettings): Promise<JobContext> {
  const { directory, contents, document, statisticsShards, name, properties } = settings;
  const store = openThreadStore(settings);
  const configuration = workloadConfiguration(document, directory);
  const workload = await loadWorkload(configuration, directory, async () => store, {
    locateModule: deployedModules(fileURLToPath(new URL(".", import.meta.url))),
    contents,
  });
  // The submitter checked the samples against the memory of another machine; this function may have less.
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
