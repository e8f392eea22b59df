import { fileURLToPath } from "node:url";
import { workloadConfiguration } from "../../shared/run/workload-document.js";
import { runStatisticsJob } from "../../shared/scoring/gather-statistics.js";
import { serveJobs } from "../../shared/scoring/job-thread.js";
import { deployedModules } from "../../shared/scoring/metrics/module-location.js";
import { loadWorkload } from "../../shared/scoring/workload.js";
import { openStore } from "../open-store.js";
import type { RunSettings } from "../run-workers.js";

serveJobs<RunSettings>(async ({ bucket, directory, contents, document }) => {
  const statistics = openStore(bucket);
  const configuration = workloadConfiguration(document, directory);
  const workload = await loadWorkload(configuration, directory, async () => statistics, {
    locateModule: deployedModules(fileURLToPath(new URL(".", import.meta.url))),
    contents,
  });
  const context = { workload, statistics, now: Date.now };
  return {
    async carryOut(job, signal) {
      if (job.type !== "statistics") throw new TypeError(`A collector was handed a ${job.type} job.`);
      return runStatisticsJob(job, context, signal);
    },
  };
});
