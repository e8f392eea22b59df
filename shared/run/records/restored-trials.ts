import type { Configuration } from "../../search/space/space.js";
import { findFinished, type RunState, type TrialRecord } from "../protocol/state.js";
import { BASE_TRIAL, FLOAT_TRIAL } from "../protocol/study.js";

/** What a new run takes over of an earlier one's trials. */
export interface RestoredTrials {
  /** In the order in which they ended, numbered without gaps. */
  readonly trials: readonly TrialRecord[];
  /** How many trials the new space cannot express. */
  readonly setAside: number;
}

/**
 * The trials of an earlier run as the first ones of a new run (`warm_start`): the same records with numbers of their
 * own, each naming the trial it was. The earlier run may have had any number of workers: what each trial had seen
 * when it was asked for stays on record.
 *
 * @param adopt a configuration in the new space; `undefined` where it cannot be expressed there
 * @returns nothing restored where the float model's scores or the base configuration are not among what is left
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
  // How many of the trials up to each one, in the order in which they ended, are kept.
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
