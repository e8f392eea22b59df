import { hypervolumeContributions, nonDominatedRanks, referencePoint } from "../numerics/pareto.js";
import type { FinishedTrial } from "./sampler.js";

/**
 * Rank of a trial's class (0 is best), compared before any value: feasible before infeasible, complete before
 * pruned, failed last.
 */
function rankClass(trial: FinishedTrial): number {
  if (trial.state === "failed") {
    return 4;
  }
  return (trial.violation > 0 ? 2 : 0) + (trial.state === "pruned" ? 1 : 0);
}

/**
 * Comparison function of trials of a single-valued objective, best first: feasible trials before infeasible
 * ones, in each class complete before pruned; then by violation, value and accuracy loss. Remaining ties are
 * broken by trial number, so that the order does not depend on when results arrive.
 */
export function compareTrials(a: FinishedTrial, b: FinishedTrial): number {
  return (
    rankClass(a) - rankClass(b) ||
    a.violation - b.violation ||
    (a.values[0] ?? 0) - (b.values[0] ?? 0) ||
    (a.accuracyLoss ?? 0) - (b.accuracyLoss ?? 0) ||
    a.number - b.number
  );
}

/** A trial as ranked by {@link rankPareto}. */
export interface ParetoRank<T> {
  readonly entry: T;
  /** By how much the hypervolume of the trials of the same non-dominated rank shrinks without this trial. */
  readonly contribution: number;
}

/**
 * Sorts trials of several objectives, best first, as MOTPE does (Ozaki et al., "Multiobjective
 * tree-structured Parzen estimator", 2022): by the same classes as {@link compareTrials}, then by
 * non-dominated rank, and within a rank by descending hypervolume contribution.
 */
export function rankPareto<T extends { readonly trial: FinishedTrial }>(
  entries: readonly T[],
): ParetoRank<T>[] {
  const rated: (ParetoRank<T> & { readonly rank: number })[] = [];
  const scored = entries.filter(({ trial }) => trial.state !== "failed");
  const ranks = nonDominatedRanks(scored.map(({ trial }) => trial.values));
  const lastRank = ranks.reduce((last, rank) => Math.max(last, rank), -1);
  for (let rank = 0; rank <= lastRank; rank++) {
    const indices = [...ranks.keys()].filter((i) => ranks[i] === rank);
    const points = indices.map((i) => scored[i]!.trial.values);
    const contributions = hypervolumeContributions(points, referencePoint(points));
    for (const [position, i] of indices.entries()) {
      rated.push({ entry: scored[i]!, rank, contribution: contributions[position]! });
    }
  }
  for (const entry of entries) {
    if (entry.trial.state === "failed") {
      rated.push({ entry, rank: 0, contribution: 0 });
    }
  }
  return rated.sort(
    (a, b) =>
      rankClass(a.entry.trial) - rankClass(b.entry.trial) ||
      a.entry.trial.violation - b.entry.trial.violation ||
      a.rank - b.rank ||
      b.contribution - a.contribution ||
      a.entry.trial.number - b.entry.trial.number,
  );
}
