/** What jobs' reports said they cost. */
export interface Tally {
  readonly reports: number;
  readonly milliseconds: number;
  readonly usd: number;
  /** Sum of the squares of each job's dollars. */
  readonly usdSquared: number;
}

/**
 * What the run has cost. Each attempt of a job is charged exactly once: with what its first report says, or,
 * when it is given up unanswered, with the mean of those that answered; its late report is not charged again.
 */
export interface Spend {
  /** Everything that was charged, the coordinator's own work included. */
  readonly usd: number;
  /** The workers' time in it. */
  readonly billedMilliseconds: number;
  readonly jobs: Tally;
  /** The trial jobs among them. */
  readonly trialJobs: Tally;
}

const NO_REPORTS: Tally = { reports: 0, milliseconds: 0, usd: 0, usdSquared: 0 };
export const NOTHING_SPENT: Spend = {
  usd: 0,
  billedMilliseconds: 0,
  jobs: NO_REPORTS,
  trialJobs: NO_REPORTS,
};
