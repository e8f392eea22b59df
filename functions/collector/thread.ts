import "../interpreted-schemas.js";
import { workloadConfiguration } from "../../shared/run/workload-document.js";
import { requireBoundedSamples } from "../../shared/scoring/bounded-samples.js";
import { loadCalibration } from "../../shared/scoring/calibration-workload.js";
import { runStatisticsJob } from "../../shared/scoring/gather-statistics.js";
import { openThreadStore, serveJobs } from "../../shared/scoring/job-thread.js";
import type { RunSettings } from "../run-workers.js";

serveJobs<RunSettings>(async ({ directory, contents, document, ...thread }) => {
  const statistics = openThreadStore(thread);
  const configuration = workloadConfiguration(document, directory);
  const workload = await loadCalibration(configuration, directory, async () => statistics, contents);
  const { original, calibration: dataset, calibrated: used, modelPath } = workload;
  // Whoever asked for the run had another machine's memory.
  await requireBoundedSamples(original.prepared.model, { dataset, used, batchSize: 1 }, modelPath);
  const context = { workload, statistics, now: Date.now };
  return {
    async carryOut(job, signal) {
      if (job.type !== "statistics") throw new TypeError(`A collector was handed a ${job.type} job.`);
      return runStatisticsJob(job, context, signal);
    },
  };
});
