import type { Job, JobReport } from "../../shared/run/protocol/messages.js";

/** What carries out jobs on this machine. */
export interface JobRunner {
  /** How many jobs it carries out at once. */
  readonly slots: number;
  /**
   * The answer to a job. A failure that belongs to the job is an answer too; what is thrown counts as one.
   *
   * @param signal given when the answer is not wanted any more; the runner may then throw, soon
   */
  run(job: Job, signal: AbortSignal): Promise<JobReport>;
  close(): Promise<void>;
}
