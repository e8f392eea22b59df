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
 * Decides on trials until as many run as may run side by side: the float model and the base configuration first, and
 * once both have ended, open ones, whose configurations are proposed later (proposing.ts).
 *
 * @param most how many trials to decide on at most; where that is too few, `canAskMore` says so of the result
 */
export function openTrials(study: Study, state: RunState, at: number, most: number): RunState {
  let next = state;
  while (next.asked < state.asked + most && canAskMore(next)) {
    const stop = findStopReason(study, next, at);
    if (stop !== undefined) return { ...next, stop };
    if (next.asked === FLOAT_TRIAL) next = start(study, next, null, at);
    else if (next.asked === BASE_TRIAL) next = start(study, next, next.request.base, at);
    else next = start(study, next, undefined, at);
  }
  return next;
}

/** Whether fewer trials run than may, and nothing is known that speaks against asking for one. */
export function canAskMore(state: RunState): boolean {
  if (state.phase !== "search" || state.stop !== undefined) return false;
  if (state.running.length >= state.request.parallel) return false;
  return state.asked <= BASE_TRIAL || findReferences(state) !== undefined;
}

/** With the best complete quantized trial brought up to date with trials that ended since `known` of them had. */
export function updateBest(study: Study, state: RunState, known: number): RunState {
  const references = findReferences(state);
  if (references === undefined || known === state.finished.length) return state;
  // Before both references had ended, nothing could be judged.
  const from = known <= BASE_TRIAL ? 0 : known;
  const added = state.finished.slice(from).filter(isCandidate);
  const best = bestOf(study, state, references, state.best === undefined ? added : [state.best, ...added]);
  return best === undefined ? state : { ...state, best };
}

/** The best complete quantized trials, best first; unlike the best so far, with regard to what is known for sure. */
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
  // Of several objectives none decides alone; the best of a front is what the finish would pick.
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

/** What misses the accuracy bound is no measure for others. */
function feasibleBest(study: Study, state: RunState): number | undefined {
  const references = findReferences(state);
  if (references === undefined || state.best === undefined) return undefined;
  const { withinBound } = study.judge(state.best.measurement, references, state.request);
  return withinBound ? state.best.number : undefined;
}
