import type { Job, JobReport } from "../../shared/run/protocol/messages.js";

/** Runs jobs on this machine. */
export interface JobRunner {
  /** Maximum number of concurrent jobs. */
  readonly slots: number;
  /**
   * The answer to a job. A failure of the job is an answer too, and a thrown error counts as one.
   *
   * @param signal aborted when the answer is no longer needed; the runner may then throw soon
   */
  run(job: Job, signal: AbortSignal): Promise<JobReport>;
  close(): Promise<void>;
}
