import type { Configuration } from "../../search/space/space.js";
import { compareTrials } from "../../search/trials/ranking.js";
import type { FinishedTrial } from "../../search/trials/sampler.js";
import { firstAssignment } from "../protocol/assignment.js";
import type { MeasuredTrial, RunningTrial, RunState } from "../protocol/state.js";
import {
  BASE_TRIAL,
  FLOAT_TRIAL,
  findReferences,
  judgeTrial,
  type References,
  type Study,
} from "../protocol/study.js";
import { findStopReason } from "./stopping.js";

/**
 * Opens (numbers and starts) trials until the maximum number is running: first the float model and the base
 * configuration, and after both have ended, trials whose configurations are proposed later
 * (propose-trial.ts).
 *
 * @param most maximum number of trials to open; if it does not suffice, `canOpenMore` is true of the result
 */
export function openTrials(study: Study, state: RunState, at: number, most: number): RunState {
  let next = state;
  while (next.asked < state.asked + most && canOpenMore(next)) {
    const stop = findStopReason(study, next, at);
    if (stop !== undefined) return { ...next, stop };
    if (next.asked === FLOAT_TRIAL) next = start(study, next, null, at);
    else if (next.asked === BASE_TRIAL) next = start(study, next, next.request.base, at);
    else next = start(study, next, undefined, at);
  }
  return next;
}

/**
 * Whether another trial may be opened (numbered and started): fewer than the maximum are running, and no
 * reason to stop is known.
 */
export function canOpenMore(state: RunState): boolean {
  if (state.phase !== "search" || state.stop !== undefined) return false;
  if (state.running.length >= state.request.parallel) return false;
  return state.asked <= BASE_TRIAL || findReferences(state) !== undefined;
}

/**
 * The state with `best` (the best trial) updated by the trials that ended after the first `known` ones. It
 * compares values exactly, without regard to measurement noise.
 */
export function updateBest(study: Study, state: RunState, known: number): RunState {
  const references = findReferences(state);
  if (references === undefined || known === state.finished.length) return state;
  // Until both references had ended, no trial could be judged.
  const from = known <= BASE_TRIAL ? 0 : known;
  const added = state.finished.slice(from).filter(isCandidate);
  const best = bestOf(study, state, references, state.best === undefined ? added : [state.best, ...added]);
  return best === undefined ? state : { ...state, best };
}

/**
 * The `count` best complete quantized trials, best first. Unlike `updateBest`, it treats values within
 * measurement noise as equal.
 */
export function rankCandidates(study: Study, state: RunState, count: number): readonly MeasuredTrial[] {
  const references = findReferences(state);
  if (references === undefined) return [];
  const { request } = state;
  let left = state.finished.filter(isCandidate).map((trial) => ({
    ...study.judge(trial.measurement, references, request),
    number: trial.number,
    trial,
  }));
  const ranked: MeasuredTrial[] = [];
  while (ranked.length < count) {
    const best = study.pickBest(left, request);
    if (best === undefined) break;
    ranked.push(best.trial);
    left = left.filter((other) => other !== best);
  }
  return ranked;
}

function bestOf(
  study: Study,
  { request }: RunState,
  references: References,
  trials: readonly MeasuredTrial[],
): MeasuredTrial | undefined {
  const judged = trials.flatMap((trial): { trial: MeasuredTrial; seen: FinishedTrial }[] => {
    const seen = judgeTrial(study, request, references, trial);
    return seen === undefined ? [] : [{ trial, seen }];
  });
  // With several objectives, the best trial is the one that the finish would choose from the Pareto front.
  if (judged.some(({ seen }) => seen.values.length > 1)) {
    const points = trials.map((trial) => ({
      ...study.judge(trial.measurement, references, request),
      number: trial.number,
      trial,
    }));
    return study.pickBest(points, request)?.trial;
  }
  return judged.sort((a, b) => compareTrials(a.seen, b.seen))[0]?.trial;
}

function isCandidate(trial: RunState["finished"][number]): trial is MeasuredTrial {
  return trial.state === "complete" && trial.configuration !== null;
}

function start(
  study: Study,
  state: RunState,
  configuration: Configuration | null | undefined,
  at: number,
): RunState {
  const { request, asked: number } = state;
  const { optimizer, evaluation, metric, timeouts } = request;
  const racing = optimizer.race && metric.perSampleMean && number > BASE_TRIAL;
  const incumbent = racing ? feasibleBest(study, state) : undefined;
  const trial: RunningTrial = {
    number,
    ...(configuration === undefined ? {} : { configuration }),
    seen: state.finished.length,
    askedAt: at,
    racing,
    ...(incumbent === undefined ? {} : { incumbent }),
    shards: Array.from({ length: evaluation.shards }, () => ({
      state: "waiting" as const,
      assignment: firstAssignment(at, timeouts.trial),
    })),
  };
  return { ...state, asked: number + 1, running: [...state.running, trial] };
}

/**
 * Number of the incumbent, the trial that early stopping compares with: the best one, if it meets the
 * accuracy bound.
 */
function feasibleBest(study: Study, state: RunState): number | undefined {
  const references = findReferences(state);
  if (references === undefined || state.best === undefined) return undefined;
  const { withinBound } = study.judge(state.best.measurement, references, state.request);
  return withinBound ? state.best.number : undefined;
}
