import type { FinishedTrial } from "./sampler.js";

/** Order of the classes that no value bridges: feasible before infeasible, complete before pruned, failed last. */
function rankClass(trial: FinishedTrial): number {
  if (trial.state === "failed") {
    return 4;
  }
  return (trial.violation > 0 ? 2 : 0) + (trial.state === "pruned" ? 1 : 0);
}

/**
 * Compares two trials of a one-valued objective (search.md, "The sampler"): infeasible trials stand behind every
 * feasible one by how far they miss the bound, and in each of the two, pruned trials behind complete ones. Equal
 * trials keep the order of their numbers, so sorting does not depend on the order of arrival.
 */
export function compareTrials(a: FinishedTrial, b: FinishedTrial): number {
  return (
    rankClass(a) - rankClass(b) ||
    a.violation - b.violation ||
    (a.values[0] ?? 0) - (b.values[0] ?? 0) ||
    a.number - b.number
  );
}
