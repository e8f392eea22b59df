import { lookSchedule } from "../../search/trials/early-stopping.js";
import type { MeasuredTrial, RunState } from "../protocol/state.js";
import { BASE_TRIAL } from "../protocol/study.js";
import { finishSeconds, measureTrialWork, median, type TrialWork } from "../reducer/finish-duration.js";
import { limitsOf } from "../reducer/search-limits.js";
import { workedMinutes } from "../reducer/time-reserve.js";

/**
 * Weight, in trials, of the share of samples that a trial is expected to score before any is measured. It is
 * large because the first trials of a search try whole families of choices, so their early stopping says
 * little about later trials.
 */
const PRIOR_TRIALS = 80;
/**
 * Measured share (0 to 1) of trials stopped at each look (interim check in early stopping), by incumbent:
 * trials that can only be as small as the incumbent must be more accurate; others only have to meet the
 * accuracy bound.
 */
const STOPPED_AGAINST_SMALLEST = 0.3;
const STOPPED_OTHERWISE = 0.25;
/** Number of first trials left out of the estimate: they read data and compile. */
const COLD_TRIALS = 2;
/** Minimum number of trials beyond the first ones for an estimate of the time left. */
const FEWEST_TRIALS = 3;
/**
 * Estimated seconds until the run is done; `undefined` until a few trials have ended.
 *
 * A trial takes a fixed time plus a time per sample. Both, and the number of trials running at once, are
 * taken from ended trials; the number of samples that later trials will see is estimated from what early
 * stopping compares them with.
 */
export function estimateSecondsLeft(state: RunState, at: number): number | undefined {
  switch (state.phase) {
    case "statistics":
      return undefined;
    case "search": {
      const pace = measurePace(state, at);
      if (pace === undefined) return undefined;
      const trials = trialsLeft(state) * secondsEach(state, pace);
      return limited(state, at, trials + finishSeconds(state.request, pace));
    }
    case "finish": {
      const pace = measurePace(state, state.lastAt);
      const begun = state.finished.at(-1)?.endedAt ?? at;
      return pace === undefined
        ? undefined
        : Math.max(0, finishSeconds(state.request, pace) - (at - begun) / 1_000);
    }
    case "done":
    case "failed":
      return 0;
  }
}

interface Pace extends TrialWork {
  /** Seconds of a worker per trial that do not depend on the number of samples, preparation included. */
  readonly fixed: number;
  /**
   * Elapsed seconds of the run per expected second of a trial's work, which accounts for parallel workers and
   * waiting.
   */
  readonly stretch: number;
  readonly trials: readonly MeasuredTrial[];
}

function measurePace({ request, finished }: RunState, at: number): Pace | undefined {
  const trials = finished.filter(
    (trial): trial is MeasuredTrial =>
      trial.state !== "failed" && trial.origin === undefined && trial.number > BASE_TRIAL,
  );
  const timed = trials.slice(COLD_TRIALS);
  if (timed.length < FEWEST_TRIALS) return undefined;
  const work = measureTrialWork(request, timed);
  const samples = timed.reduce((sum, { measurement }) => sum + measurement.samples, 0);
  const fixed = median(timed.map(({ timings }) => Math.max(0, timings.total - timings.inference)));
  const expected = timed.length * fixed + work.sample * samples;
  const seconds = (Math.max(at, timed.at(-1)!.endedAt) - trials[COLD_TRIALS - 1]!.endedAt) / 1_000;
  return { ...work, fixed, stretch: expected === 0 ? 1 : seconds / expected, trials };
}

function trialsLeft(state: RunState): number {
  const { stop, asked, finished } = state;
  const last = stop === undefined ? limitsOf(state).maxTrials + 1 : asked;
  return Math.max(0, last - finished.length);
}

function secondsEach(state: RunState, pace: Pace): number {
  const samples = state.request.evaluation.samples * expectedShare(state, pace);
  return (pace.fixed + pace.sample * samples) * pace.stretch;
}

/** Expected share of the evaluation samples that a future trial scores. */
function expectedShare({ request, best, finished }: RunState, { trials }: Pace): number {
  const { optimizer, evaluation, metric } = request;
  if (!optimizer.race || !metric.perSampleMean) return 1;
  const share = ({ measurement }: MeasuredTrial) => measurement.samples / evaluation.samples;
  const bySize = optimizer.objective === "constrained" && optimizer.minimize === "size";
  const incumbent = bySize ? best : undefined;
  const raced =
    incumbent === undefined ? trials : trials.filter(({ askedAt }) => askedAt >= incumbent.endedAt);
  const smallest = finished.every(
    (trial) =>
      trial.state === "failed" ||
      incumbent === undefined ||
      trial.measurement.bytes >= incumbent.measurement.bytes,
  );
  const stopped = incumbent !== undefined && smallest ? STOPPED_AGAINST_SMALLEST : STOPPED_OTHERWISE;
  const prior = shareSeen(stopped, evaluation.samples);
  const sum = raced.reduce((total, trial) => total + share(trial), 0);
  return (sum + PRIOR_TRIALS * prior) / (raced.length + PRIOR_TRIALS);
}

/**
 * Mean share of the samples that a trial scores if the share `stopped` of trials is stopped at each look
 * (interim check in early stopping) but the last.
 */
function shareSeen(stopped: number, samples: number): number {
  let share = 0;
  let going = 1;
  for (const look of lookSchedule(samples).slice(0, -1)) {
    share += (going * stopped * look) / samples;
    going *= 1 - stopped;
  }
  return share + going;
}

/**
 * The estimated seconds left, limited by the remaining minutes: search and finish both end within the time
 * limit.
 */
function limited(state: RunState, at: number, seconds: number): number {
  const { maxMinutes } = limitsOf(state);
  if (maxMinutes === 0) return seconds;
  return Math.min(seconds, Math.max(0, (maxMinutes - workedMinutes(state, at)) * 60));
}
