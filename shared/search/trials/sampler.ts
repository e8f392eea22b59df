import type { Configuration } from "../space/space.js";

/** The result of a finished trial, as told to the sampler. */
export interface FinishedTrial {
  readonly number: number;
  readonly configuration: Configuration;
  /** `pruned`: stopped early, its values are estimates; `failed`: has no values. */
  readonly state: "complete" | "pruned" | "failed";
  /** The minimized values; one unless the objective is `pareto`. Empty for a failed trial. */
  readonly values: readonly number[];
  /** Percentage points by which the accuracy bound is missed; 0 for a feasible trial. */
  readonly violation: number;
  /**
   * Accuracy lost against float, in percent; of trials of equal value the one with less loss is better. 0 when
   * left out.
   */
  readonly accuracyLoss?: number;
  /** Number of evaluation samples that were scored. */
  readonly samples: number;
}

/**
 * Proposes the configurations that a search tries.
 *
 * A proposal is a deterministic function of the seed, the finished trials, the running trials and the number of
 * the new trial; the order in which results were told does not matter.
 */
export interface Sampler {
  /** Returns a configuration that no finished or running trial has, or `undefined` when the space is exhausted. */
  ask(trial: number): Configuration | undefined;
  /** Marks a trial as running, with its configuration. */
  started(trial: number, configuration: Configuration): void;
  /** Adds a trial's result and ends its running state. Telling the same trial again changes nothing. */
  tell(trial: FinishedTrial): void;
}
