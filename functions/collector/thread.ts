import "../interpreted-schemas.js";
import { runStatisticsJob } from "../../shared/evaluation/jobs/gather-statistics.js";
import { openThreadStore, serveJobs } from "../../shared/evaluation/threads/job-thread.js";
import { requireBoundedSamples } from "../../shared/evaluation/workload/bounded-samples.js";
import { loadCalibration } from "../../shared/evaluation/workload/calibration-workload.js";
import { workloadConfiguration } from "../../shared/run/store/workload-document.js";
import type { RunSettings } from "../run-workers.js";

serveJobs<RunSettings>(async ({ directory, contents, document, ...thread }) => {
  const statistics = openThreadStore(thread);
  const configuration = workloadConfiguration(document, directory);
  const workload = await loadCalibration(configuration, directory, async () => statistics, contents);
  const { original, calibration: dataset, calibrated: used, modelPath } = workload;
  // The submitter checked the samples against the memory of another machine; this function may have less.
  await requireBoundedSamples(original.prepared.model, { dataset, used, batchSize: 1 }, modelPath);
  const context = { workload, statistics, now: Date.now };
  return {
    async carryOut(job, signal) {
      if (job.type !== "statistics") throw new TypeError(`A collector was handed a ${job.type} job.`);
      return runStatisticsJob(job, context, signal);
    },
  };
});
