/** Evaluators that a run uses where nobody says how many: each more is one more trial that a proposal cannot learn from. */
const MOST_EVALUATORS = 8;
const LEAST_AHEAD = 2;
/** Of the evaluators: results come back in batches, and a quarter of the next trials waits in the queue until then. */
const SHARE_AHEAD = 1 / 4;

export interface SideBySide {
  readonly evaluators: number;
  /** Trials that have been asked for and have not ended. */
  readonly parallel: number;
}

/**
 * How many trials a run has under way where it does not say. Some are asked for ahead of the evaluators, so that one
 * that has answered finds the next job in the queue: the way from its report over the events queue, the coordinator and
 * its save back to the queue of jobs takes as long as a short trial.
 *
 * @param concurrency the fleet's evaluators at work at once, where known
 */
export function trialsSideBySide(concurrency = MOST_EVALUATORS): SideBySide {
  const evaluators = Math.min(concurrency, MOST_EVALUATORS);
  const ahead = Math.max(LEAST_AHEAD, Math.ceil(SHARE_AHEAD * evaluators));
  return { evaluators, parallel: evaluators + ahead };
}
