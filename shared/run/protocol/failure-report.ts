import { type Job, type JobReport, MAX_REASON, MESSAGE_VERSION } from "./messages.js";

/** Value of `isa` in a failure, which has no results whose instruction set could matter. */
const NO_INSTRUCTION_SET = "none";

/** The worker that reports, and the time of the report in milliseconds since the epoch. */
export interface Reporter {
  readonly worker: string;
  readonly at: number;
}

/** The report of a job's failure; the reason is the error's message, cut to its maximum length. */
export function failureReport(job: Job, error: unknown, { worker, at }: Reporter): JobReport {
  const { runId, attempt } = job;
  const reason = (error instanceof Error ? error.message : String(error)).slice(0, MAX_REASON);
  const base = { version: MESSAGE_VERSION, runId, at, attempt } as const;
  const outcome = { state: "failed", reason } as const;
  switch (job.type) {
    case "statistics":
      return { ...base, type: "StatisticsReported", shard: job.shard, outcome };
    case "trial":
      return {
        ...base,
        type: "TrialReported",
        trial: job.trial,
        ...(job.digest === undefined ? {} : { digest: job.digest }),
        shard: job.shard,
        worker,
        isa: NO_INSTRUCTION_SET,
        outcome,
      };
    case "finish":
      return { ...base, type: "FinishReported", isa: NO_INSTRUCTION_SET, outcome };
  }
}
