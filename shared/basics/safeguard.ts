/**
 * Names of the safeguards of the run protocol: steps without which a run would still work most of the time, and go wrong
 * when a process, a queue or the store fails. A test switches each of them off and checks that the simulation of faults
 * notices (test/simulation/safeguards.test.ts), so a simulation that detects nothing any more fails too.
 */
export const SAFEGUARDS = [
  /** A trial is started only if the run's expected cost stays within its budget. */
  "budget",
  /** The expected cost of a run includes its running jobs. */
  "budget-counts-running-jobs",
  /** A job is charged with what its report says. */
  "reports-are-charged",
  /** A job that is given up without a report is charged with the mean cost. */
  "unanswered-jobs-are-charged",
  /** A job is saved as sent only after it was sent. */
  "jobs-are-marked-after-sending",
  /** Events of users' programs get the queue's time. */
  "queue-timestamps",
  /** The sampler sees only trials that had ended when the trial was opened. */
  "asks-see-earlier-trials-only",
  /** The sampler knows the trials that were running when the trial was opened. */
  "asks-know-running-trials",
  /** A coordinator that loads a state proposes the configurations of its open trials. */
  "loaded-trials-are-proposed",
  /** A failed job has a second attempt. */
  "second-attempts",
  /** The same failure reported twice counts once. */
  "repeated-failures-count-once",
  /** A state is replaced only if it is the one that was read. */
  "compare-and-swap",
  /** A worker stops when an extension of its claim is refused. */
  "workers-stop-without-lease",
  /** A worker whose claim was taken over does not report. */
  "workers-report-with-claim-only",
  /** A worker ignores a job after its deadline. */
  "job-deadlines",
  /** A run that has ended gets no Ticks. */
  "ended-runs-are-unlisted",
  /** Events that could not be handled are redelivered. */
  "failed-events-are-redelivered",
  /** A job that cannot be read is moved to the dead-letter queue. */
  "unreadable-jobs-are-kept",
  /** A job that another worker has claimed is left to that worker. */
  "claims",
] as const;

export type Safeguard = (typeof SAFEGUARDS)[number];

let switchedOff: Safeguard | undefined;

/**
 * Whether a safeguard is in force: always `true`, except in a test process that has switched it off. The call is one
 * comparison.
 */
export function safeguard(name: Safeguard): boolean {
  return name !== switchedOff;
}

/**
 * Switches a safeguard off for the rest of this process. Only tests and their tools may import this function, which
 * test/basics/safeguard.test.ts checks: no configuration, environment variable or message can reach it.
 */
export function switchOffSafeguard(name: Safeguard): void {
  switchedOff = name;
}
