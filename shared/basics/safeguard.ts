/**
 * Names of the safeguards of the run protocol: steps without which a run would still work most of the time, and go
 * wrong when a process, a queue or the store fails. A test switches each of them off and checks that the
 * simulation of faults notices (test/simulation/safeguards.test.ts), so a simulation that no longer detects
 * anything fails too.
 */
export const SAFEGUARDS = [
  /** A trial is started only if the run's expected cost stays within its budget. */
  "budget",
  /** The expected cost of a run includes the cost of its running jobs. */
  "budget-counts-running-jobs",
  /** The cost of a job that has reported is computed from its report. */
  "reports-are-charged",
  /** A job that is given up without a report is counted with the mean cost of jobs. */
  "unanswered-jobs-are-charged",
  /** A job is recorded as sent in the run's state only after it was sent. */
  "jobs-are-marked-after-sending",
  /** Events that users' programs sent get the time at which the queue received them. */
  "queue-timestamps",
  /**
   * The sampler (the search method) proposes a trial from only those trials that had ended when the trial was
   * opened.
   */
  "asks-see-earlier-trials-only",
  /** The sampler (the search method) proposes a trial knowing the trials that were running when it was opened. */
  "asks-know-running-trials",
  /** A coordinator that loads a run's state has the configurations of its open trials proposed again. */
  "loaded-trials-are-proposed",
  /** A job that failed is attempted a second time. */
  "second-attempts",
  /** A failure of a job that is reported twice is counted once. */
  "repeated-failures-count-once",
  /** A run's stored state is replaced only if it is still the one that was read. */
  "compare-and-swap",
  /** A worker stops when an extension of its claim (the stored object that holds its lease on a job) is refused. */
  "workers-stop-without-lease",
  /** A worker whose claim (lease on a job) was taken over by another worker does not report. */
  "workers-report-with-claim-only",
  /** A worker ignores a job that it receives after the job's deadline. */
  "job-deadlines",
  /** A run that has ended is removed from the list of runs that get Ticks (periodic events). */
  "ended-runs-are-unlisted",
  /** Events that a coordinator could not handle are delivered again. */
  "failed-events-are-redelivered",
  /** A job message that cannot be parsed is moved to the dead-letter queue. */
  "unreadable-jobs-are-kept",
  /** A job on which another worker holds a claim (lease) is left to that worker. */
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
