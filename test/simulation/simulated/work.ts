import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";

/** The name of a job's shard, common to all its attempts. */
export function nameWork(work: number | string, shard: number): string {
  return `${work}/${shard}`;
}

export function nameAttempt(work: number | string, shard: number, attempt: number): string {
  return `${nameWork(work, shard)}/${attempt}`;
}

export function attemptOfJob(job: Job): string {
  const work = job.type === "trial" ? job.trial : job.type;
  return nameAttempt(work, "shard" in job ? job.shard.index : 0, job.attempt);
}

export function workOfReport(report: JobReport): string {
  switch (report.type) {
    case "TrialReported":
      return nameWork(report.trial, report.shard.index);
    case "StatisticsReported":
      return nameWork("statistics", report.shard.index);
    case "FinishReported":
      return nameWork("finish", 0);
  }
}

export function attemptOfReport(report: JobReport): string {
  return `${workOfReport(report)}/${report.attempt}`;
}
