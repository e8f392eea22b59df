import type { Job, JobReport } from "../../shared/run/protocol/messages.js";

/** Runs jobs on this machine. */
export interface JobRunner {
  /** Maximum number of jobs that run concurrently. */
  readonly slots: number;
  /**
   * Runs a job and returns its report. A failure of the job is reported too, and a thrown error counts as a
   * failure.
   *
   * @param signal aborted when the report is no longer needed; the runner may then throw soon
   */
  run(job: Job, signal: AbortSignal): Promise<JobReport>;
  close(): Promise<void>;
}
