import type { MeasuredTrial, RunState, TrialRecord } from "../protocol/state.js";
import { BASE_TRIAL } from "../protocol/study.js";
import { finishSeconds, measureTrialWork } from "./finish-duration.js";
import { limitsOf } from "./search-limits.js";

/**
 * Number of latest trials from which durations are estimated; few enough to reflect the machine's present
 * load.
 */
const LATEST = 16;
/** Safety margin on the expected duration of a trial, in standard deviations. */
const MARGIN_DEVIATIONS = 2;
/** Safety factor on the expected duration of the finish. */
const FINISH_MARGIN = 1.25;
/**
 * Number of models that the finish scores beside the finalists: the float model and the base configuration.
 * Without other information each model of the finish is expected to take a trial's time.
 */
const MODELS_BESIDE_FINALISTS = 2;

/**
 * Minutes of work since the run was requested, without the time during which no process worked on the run.
 */
export function workedMinutes(state: RunState, at: number): number {
  return (Math.max(at, state.lastAt) - state.startedAt - state.pausedMilliseconds) / 60_000;
}

/**
 * Expected minutes of work until a trial that is started now and the finish after it have ended. Running
 * trials were started before and are expected to end before it.
 */
export function expectedMinutes(state: RunState, at: number): number {
  const scored = latestScored(state);
  const turnarounds = scored.map((trial) => turnaroundSeconds(state, trial));
  // The float model and the base include reading data and compiling, so their times already overestimate.
  const isCold = scored.every(({ number }) => number <= BASE_TRIAL);
  const trial = mean(turnarounds) + (isCold ? 0 : MARGIN_DEVIATIONS * deviation(turnarounds));
  const finalists = Math.min(state.request.finalists, 1 + countCandidates(state));
  const finish = expectedFinishSeconds(state, finalists);
  const reserve =
    finish === undefined
      ? trial * (finalists + MODELS_BESIDE_FINALISTS)
      : (isCold ? 1 : FINISH_MARGIN) * finish;
  return workedMinutes(state, at) + (trial + reserve) / 60;
}

/**
 * Number of finalists (best trials) that can be validated and timed within the time limit, from 1 to the
 * request's number.
 */
export function finalistsInTime(state: RunState, at: number): number {
  const { finalists } = state.request;
  const { maxMinutes } = limitsOf(state);
  if (maxMinutes === 0) return finalists;
  const seconds = 60 * (maxMinutes - workedMinutes(state, at));
  let count = finalists;
  while (count > 1 && (expectedFinishSeconds(state, count) ?? 0) > seconds) count--;
  return count;
}

/**
 * Number of complete quantized trials, which could be validated now; at most the request's number of
 * finalists.
 */
function countCandidates({ request, finished }: RunState): number {
  let count = 0;
  for (const { state, configuration } of finished) {
    if (state === "complete" && configuration !== null) count += 1;
    if (count === request.finalists) break;
  }
  return count;
}

/** Expected seconds of the finish, from the durations of the latest trials; `undefined` without any. */
function expectedFinishSeconds(state: RunState, finalists: number): number | undefined {
  const { request } = state;
  const scored = latestScored(state);
  if (request.finish === undefined || scored.length === 0) return undefined;
  return finishSeconds({ ...request, finalists }, measureTrialWork(request, scored));
}

function latestScored({ finished }: RunState): readonly MeasuredTrial[] {
  // Only the last ones are filtered, because a run may have 100,000 trials and few of them failed.
  return finished
    .slice(-2 * LATEST)
    .filter(isScoredHere)
    .slice(-LATEST);
}

function isScoredHere(trial: TrialRecord): trial is MeasuredTrial {
  return trial.state !== "failed" && trial.origin === undefined;
}

/** Seconds from starting a trial to its end, waiting for a worker included. */
function turnaroundSeconds(
  { request, resumedAt = 0 }: RunState,
  { askedAt, endedAt, timings }: MeasuredTrial,
): number {
  // The run was paused during this trial, possibly for days, so its working time counts instead.
  if (askedAt < resumedAt) return timings.total / request.evaluation.shards;
  return Math.max(0, endedAt - askedAt) / 1_000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
