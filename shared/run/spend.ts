import type { RunState, ShardState } from "./state.js";

/**
 * What the run has cost. Each attempt of a job is charged exactly once: with what its first report says, or,
 * when it is given up unanswered, with the mean of those that answered; its late report is not charged again.
 */
export interface Spend {
  readonly billedMilliseconds: number;
  /** Attempts whose own report was charged, and the milliseconds they reported. */
  readonly reports: number;
  readonly reportedMilliseconds: number;
}

export const NOTHING_SPENT: Spend = { billedMilliseconds: 0, reports: 0, reportedMilliseconds: 0 };

export function chargeReport(spend: Spend, milliseconds: number | undefined): Spend {
  if (milliseconds === undefined) return spend;
  return {
    billedMilliseconds: spend.billedMilliseconds + milliseconds,
    reports: spend.reports + 1,
    reportedMilliseconds: spend.reportedMilliseconds + milliseconds,
  };
}

export function chargeUnanswered(spend: Spend, attempts: number): Spend {
  if (attempts === 0) return spend;
  return { ...spend, billedMilliseconds: spend.billedMilliseconds + attempts * meanMilliseconds(spend) };
}

/** What has been spent so far, in US dollars; 0 where work is not billed. */
export function spentUsd(state: RunState): number {
  return toUsd(state, state.spend.billedMilliseconds);
}

/** What will have been spent when everything under way and one more trial have ended. */
export function expectedUsd(state: RunState): number {
  const underWay = state.running.reduce((sum, trial) => sum + countWaiting(trial.shards), 0);
  const jobs = underWay + state.request.evaluation.shards;
  return toUsd(state, state.spend.billedMilliseconds + jobs * meanMilliseconds(state.spend));
}

export function countWaiting(shards: readonly ShardState<unknown>[]): number {
  return shards.reduce((count, shard) => count + (shard.state === "waiting" ? 1 : 0), 0);
}

function meanMilliseconds(spend: Spend): number {
  return spend.reports === 0 ? 0 : spend.reportedMilliseconds / spend.reports;
}

function toUsd(state: RunState, milliseconds: number): number {
  return (milliseconds / 1_000) * (state.request.budget?.usdPerBilledSecond ?? 0);
}
