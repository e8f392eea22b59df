/** Sums over the bills of jobs' reports. */
export interface Tally {
  readonly reports: number;
  readonly milliseconds: number;
  readonly usd: number;
  /** Sum of squares of the cost of each job, for its standard deviation. */
  readonly usdSquared: number;
}

/**
 * Cost of a run so far. Each attempt of a job is charged once: by its first report, or, when it is given up
 * unanswered, with the mean of the reported ones; a late report of such an attempt is not charged again.
 */
export interface Spend {
  /** Everything charged, the coordinator's own work included. */
  readonly usd: number;
  /** Billed time of the workers. */
  readonly billedMilliseconds: number;
  readonly jobs: Tally;
  /** The part of `jobs` that are trial jobs. */
  readonly trialJobs: Tally;
}

const NO_REPORTS: Tally = { reports: 0, milliseconds: 0, usd: 0, usdSquared: 0 };
export const NOTHING_SPENT: Spend = {
  usd: 0,
  billedMilliseconds: 0,
  jobs: NO_REPORTS,
  trialJobs: NO_REPORTS,
};
