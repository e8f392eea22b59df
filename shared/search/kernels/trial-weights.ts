import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";

/** No good trial weighs nothing: the least is this share of the most, whatever the unit of the outcome. */
const LEAST_SHARE = 1e-12;

/**
 * Weights of the good trials: by how much each improves on the best of the others (Watanabe, arXiv 2304.11127, the
 * expected-improvement weights). An infeasible trial counts as worse than the worst feasible one by its violation.
 *
 * @param good best first
 * @param rival the best trial that is not good
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

/** Gains as weights of which none is zero; equal ones where nothing gains. */
export function positiveWeights(gains: readonly number[]): Float64Array {
  const most = Math.max(...gains);
  return Float64Array.from(gains, (gain) => (most > 0 ? Math.max(LEAST_SHARE * most, gain) : 1));
}
