/**
 * Default upper bound of the evaluators (functions that score trials) of one run: with more parallel trials, each
 * proposal learns from fewer results.
 */
const MAX_EVALUATORS = 8;
const MIN_AHEAD = 2;
/**
 * Number of trials queued ahead, as a share of the evaluators: results arrive in batches, so some of the next
 * trials must already wait in the queue.
 */
const SHARE_AHEAD = 1 / 4;

export interface ParallelTrials {
  readonly evaluators: number;
  /** Number of trials that are in progress at a time: proposed and not ended. */
  readonly parallel: number;
}

/**
 * Default number of parallel trials of a run. It exceeds the number of evaluators, so that an evaluator that
 * has answered finds a job in the queue: the way from its report through the events queue, the coordinator
 * and its save to the next job takes as long as a short trial.
 *
 * @param concurrency number of concurrent evaluators of the fleet, where known
 */
export function defaultParallelTrials(concurrency = MAX_EVALUATORS): ParallelTrials {
  const evaluators = Math.min(concurrency, MAX_EVALUATORS);
  const ahead = Math.max(MIN_AHEAD, Math.ceil(SHARE_AHEAD * evaluators));
  return { evaluators, parallel: evaluators + ahead };
}
