import type { Configuration } from "../space/space.js";

/** A trial that has ended, as the sampler sees it. */
export interface FinishedTrial {
  readonly number: number;
  readonly configuration: Configuration;
  /** `pruned`: stopped by the race, its values are estimates; `failed`: has no values. */
  readonly state: "complete" | "pruned" | "failed";
  /** What is minimized; one value unless the objective is `pareto`. Empty for a failed trial. */
  readonly values: readonly number[];
  /** By how much the accuracy bound is missed; 0 for a feasible trial. */
  readonly violation: number;
  /** Accuracy lost against float, which decides between trials of equal value; 0 when left out. */
  readonly accuracyLoss?: number;
  /** How many evaluation samples the values rest on. */
  readonly samples: number;
}

/**
 * Proposes configurations (search.md, "The sampler").
 *
 * A sampler is a deterministic function of its seed, the finished trials, the running trials and the number of
 * the trial that is asked for; the order in which it was told about them does not matter.
 */
export interface Sampler {
  /** A configuration that is neither finished nor running, or `undefined` when the space has no other left. */
  ask(trial: number): Configuration | undefined;
  /** The trial has been handed out and has not ended yet. */
  started(trial: number, configuration: Configuration): void;
  /** The trial has ended; it is no longer running. Telling the same trial again changes nothing. */
  tell(trial: FinishedTrial): void;
}
