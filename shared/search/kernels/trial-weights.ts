import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";

/**
 * Smallest weight of a good trial (one of which TPE builds its good density) as a share of the largest, so that
 * no weight is 0.
 */
const LEAST_SHARE = 1e-12;

/**
 * Weights of the good trials (those of which TPE builds its good density): by how much each improves on the
 * best of the other trials (the expected-improvement weights of Watanabe, arXiv 2304.11127). The loss of an
 * infeasible trial is that of the worst feasible one plus its violation of the accuracy bound.
 *
 * @param good the good trials, best first
 * @param rival the best of the other trials
 */
export function improvementWeights(
  good: readonly LedgerEntry[],
  rival: LedgerEntry | undefined,
): Float64Array {
  const feasible = good.filter(({ trial }) => trial.violation === 0).map(({ trial }) => trial.values[0] ?? 0);
  const worstFeasible = feasible.length === 0 ? 0 : Math.max(...feasible);
  const loss = ({ violation, values }: FinishedTrial): number =>
    violation > 0 ? worstFeasible + violation : (values[0] ?? 0);
  const losses = good.map(({ trial }) => loss(trial));
  const reference =
    rival === undefined || rival.trial.state === "failed" ? Math.max(...losses) : loss(rival.trial);
  return positiveWeights(losses.map((value) => reference - value));
}

/** Turns the gains of trials (larger is better) into positive weights; all are 1 where no gain is positive. */
export function positiveWeights(gains: readonly number[]): Float64Array {
  const most = Math.max(...gains);
  return Float64Array.from(gains, (gain) => (most > 0 ? Math.max(LEAST_SHARE * most, gain) : 1));
}
