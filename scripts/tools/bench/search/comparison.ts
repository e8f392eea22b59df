import { geometricMean, median } from "./study.js";

/** Curves a seed each: the true value of what looked best, after every trial. */
export type Curves = readonly (readonly number[])[];

/** What both reached after the same number of trials. */
export interface Comparison {
  readonly trials: number;
  readonly ours: number;
  readonly optuna: number;
  /** Our regret over Optuna's: 1 where neither has any, infinite where Optuna alone has none. */
  readonly ratio: number;
  /** The first trial at which our median was as good as Optuna's after all of them. */
  readonly reachedAt: number | undefined;
}

export function medianAfter(curves: Curves, trials: number): number {
  return median(curves.map((curve) => curve[Math.min(trials, curve.length) - 1]!));
}

/** @param best what regret is the distance to */
export function compare(curves: Curves, trials: number, optuna: number, best: number): Comparison {
  const ours = medianAfter(curves, trials);
  // Sums of the same tables in another order differ in their last digits.
  const nothing = 1e-9 * Math.max(Math.abs(best), Math.abs(ours), Math.abs(optuna));
  const [ourRegret, theirRegret] = [ours - best, optuna - best].map((regret) =>
    regret <= nothing ? 0 : regret,
  ) as [number, number];
  let reachedAt: number | undefined;
  for (let trial = 1; trial <= trials && reachedAt === undefined; trial++) {
    if (medianAfter(curves, trial) <= optuna) reachedAt = trial;
  }
  const ratio = ourRegret === theirRegret ? 1 : ourRegret / theirRegret;
  return { trials, ours, optuna, ratio, reachedAt };
}

/** A regret of 0 would make a geometric mean 0 whatever the other problems' are. */
const LEAST_RATIO = 0.01;

export function meanRatio(ratios: readonly number[]): number {
  return geometricMean(ratios.map((ratio) => Math.max(LEAST_RATIO, ratio)));
}
