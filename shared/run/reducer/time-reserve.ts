import type { MeasuredTrial, RunState, TrialRecord } from "../protocol/state.js";
import { BASE_TRIAL } from "../protocol/study.js";
import { finishSeconds, measureTrialWork } from "./finish-duration.js";
import { limitsOf } from "./search-limits.js";

/** So many of the latest trials tell how long the next one and the finish take: as many as show the present load. */
const LATEST = 16;
/** How many standard deviations a trial may take longer than its mean. */
const MARGIN_DEVIATIONS = 2;
/** The finish may take this much more than is expected of it (docs/measurements.md, "Time left"). */
const FINISH_MARGIN = 1.25;
/** Where nothing tells what the finish takes, each model is taken to take a trial's time: beside the finalists these two. */
const MODELS_BESIDE_FINALISTS = 2;

/** Minutes since the request in which a process carried the run. */
export function workedMinutes(state: RunState, at: number): number {
  return (Math.max(at, state.lastAt) - state.startedAt - state.pausedMilliseconds) / 60_000;
}

/**
 * Minutes that the run is expected to have worked when a trial that is asked for now has ended, and the finish after it.
 * Trials that are under way were asked for before, and so end before.
 */
export function expectedMinutes(state: RunState, at: number): number {
  const scored = latestScored(state);
  const turnarounds = scored.map((trial) => turnaroundSeconds(state, trial));
  // The float model and the base are first to read data and to compile: their times are too long already.
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

/** How many finalists there is time to validate and to measure: one at least, and the request's number at most. */
export function finalistsInTime(state: RunState, at: number): number {
  const { finalists } = state.request;
  const { maxMinutes } = limitsOf(state);
  if (maxMinutes === 0) return finalists;
  const seconds = 60 * (maxMinutes - workedMinutes(state, at));
  let count = finalists;
  while (count > 1 && (expectedFinishSeconds(state, count) ?? 0) > seconds) count--;
  return count;
}

/** How many models could be validated now; no more are counted than make a difference. */
function countCandidates({ request, finished }: RunState): number {
  let count = 0;
  for (const { state, configuration } of finished) {
    if (state === "complete" && configuration !== null) count += 1;
    if (count === request.finalists) break;
  }
  return count;
}

/** At the pace of the latest trials; `undefined` where nothing tells. */
function expectedFinishSeconds(state: RunState, finalists: number): number | undefined {
  const { request } = state;
  const scored = latestScored(state);
  if (request.finish === undefined || scored.length === 0) return undefined;
  return finishSeconds({ ...request, finalists }, measureTrialWork(request, scored));
}

function latestScored({ finished }: RunState): readonly MeasuredTrial[] {
  // Failed ones are few, and a run may have ended a hundred thousand.
  return finished
    .slice(-2 * LATEST)
    .filter(isScoredHere)
    .slice(-LATEST);
}

function isScoredHere(trial: TrialRecord): trial is MeasuredTrial {
  return trial.state !== "failed" && trial.origin === undefined;
}

/** Seconds from asking for a trial to its end, waiting for a worker included. */
function turnaroundSeconds(
  { request, resumedAt = 0 }: RunState,
  { askedAt, endedAt, timings }: MeasuredTrial,
): number {
  // Between its asking and its end no process may have carried the run for days.
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
