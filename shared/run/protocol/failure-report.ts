import { failedOutcome } from "./failed-outcome.js";
import { type Job, type JobReport, MESSAGE_VERSION } from "./messages.js";

/** Instruction set in the report of a failure, which has no numbers that could depend on one. */
const NO_INSTRUCTION_SET = "none";

/** The worker that reports, and the time of the report in milliseconds since the epoch. */
export interface Reporter {
  readonly worker: string;
  readonly at: number;
}

/** The report of a failed job, made for a worker that cannot report the failure itself. */
export function failureReport(job: Job, error: unknown, { worker, at }: Reporter): JobReport {
  const { runId, attempt } = job;
  const base = { version: MESSAGE_VERSION, runId, at, attempt } as const;
  const outcome = failedOutcome(error);
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
