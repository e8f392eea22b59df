import type { Configuration } from "../../search/space/space.js";
import { findFinished, type RunState, type TrialRecord } from "../protocol/state.js";
import { BASE_TRIAL, FLOAT_TRIAL } from "../protocol/study.js";

/** The trials that a new run takes over from an earlier one. */
export interface RestoredTrials {
  /** The restored trials in the order in which they ended, numbered without gaps. */
  readonly trials: readonly TrialRecord[];
  /**
   * Number of trials left out, because the new space cannot express them or the float model or the base is
   * missing.
   */
  readonly setAside: number;
}

/**
 * The trials of an earlier run as the first trials of a new run (`warm_start`): the same records, renumbered,
 * each with its origin. `seen` (how many trials had ended when a trial was opened) is kept and renumbered
 * too, so the earlier run may have had any number of workers.
 *
 * @param adopt maps a configuration to the new space; `undefined` if it cannot be expressed there
 * @returns no trials if the float model's scores or the base configuration are not among the remaining ones
 */
export function restoreTrials(
  earlier: RunState,
  adopt: (configuration: Configuration) => Configuration | undefined,
): RestoredTrials {
  const kept = new Map<number, Configuration | null>();
  for (const { number, configuration } of earlier.finished) {
    const adopted = configuration === null ? null : adopt(configuration);
    if (adopted !== undefined) kept.set(number, adopted);
  }
  const setAside = earlier.finished.length - kept.size;
  const isScored = findFinished(earlier, FLOAT_TRIAL)?.state === "complete";
  if (!isScored || !kept.has(BASE_TRIAL))
    return { trials: [], setAside: Math.max(0, earlier.finished.length - 1) };
  const numbers = new Map([...kept.keys()].sort((a, b) => a - b).map((number, index) => [number, index]));
  // For each position in the order of ending: the number of kept trials before it.
  const keptBefore = [0];
  for (const { number } of earlier.finished) keptBefore.push(keptBefore.at(-1)! + (kept.has(number) ? 1 : 0));
  const trials = earlier.finished.flatMap((record): TrialRecord[] => {
    const configuration = kept.get(record.number);
    if (configuration === undefined) return [];
    const origin = record.origin ?? { run: earlier.request.runId, trial: record.number };
    const number = numbers.get(record.number)!;
    return [{ ...record, number, origin, configuration, seen: keptBefore[record.seen]! }];
  });
  return { trials, setAside };
}
