import { geometricMean, median } from "./study.js";

/**
 * One curve per seed: after every trial, the true value of the configuration with the best measured value.
 */
export type Curves = readonly (readonly number[])[];

/** True values that our sampler and Optuna's reach after the same number of trials, medians over seeds. */
export interface Comparison {
  readonly trials: number;
  readonly ours: number;
  readonly optuna: number;
  /**
   * Our regret (distance from the best known value) divided by Optuna's: 1 where both are 0, infinite where only
   * Optuna's is 0.
   */
  readonly ratio: number;
  /** The first trial at which our median value was as good as Optuna's after all trials; `undefined` if none was. */
  readonly reachedAt: number | undefined;
}

export function medianAfter(curves: Curves, trials: number): number {
  return median(curves.map((curve) => curve[Math.min(trials, curve.length) - 1]!));
}

/**
 * Compares our sampler's regret (median true value minus the best value) with Optuna's after a number of trials.
 *
 * @param optuna Optuna's median true value
 * @param best the value from which regret is computed
 */
export function compare(curves: Curves, trials: number, optuna: number, best: number): Comparison {
  const ours = medianAfter(curves, trials);
  // A value summed in another order differs in the last digits, so a regret below this is 0.
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

/** Lower limit of regret ratios in geometric means, as a single 0 would make the mean 0. */
const LEAST_RATIO = 0.01;

export function meanRatio(ratios: readonly number[]): number {
  return geometricMean(ratios.map((ratio) => Math.max(LEAST_RATIO, ratio)));
}
