/** Sums over the bills that jobs' reports contain. */
export interface Tally {
  readonly reports: number;
  readonly milliseconds: number;
  readonly usd: number;
  /** Sum of the squared costs of the jobs, from which the standard deviation of a job's cost follows. */
  readonly usdSquared: number;
}

/**
 * Cost of a run so far. Each attempt of a job is charged once: by its first report, or, when it is given up
 * unanswered, with the mean of the reported ones; a late report of such an attempt is not charged again.
 */
export interface Spend {
  /** US dollars charged in all, for the coordinator's own work too. */
  readonly usd: number;
  /** Billed milliseconds of the workers. */
  readonly billedMilliseconds: number;
  readonly jobs: Tally;
  /** The same sums for trial jobs only. */
  readonly trialJobs: Tally;
}

const NO_REPORTS: Tally = { reports: 0, milliseconds: 0, usd: 0, usdSquared: 0 };
export const NOTHING_SPENT: Spend = {
  usd: 0,
  billedMilliseconds: 0,
  jobs: NO_REPORTS,
  trialJobs: NO_REPORTS,
};
