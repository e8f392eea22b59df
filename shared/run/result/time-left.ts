import { lookSchedule } from "../../search/trials/early-stopping.js";
import type { MeasuredTrial, RunState } from "../protocol/state.js";
import { BASE_TRIAL } from "../protocol/study.js";
import { finishSeconds, measureTrialWork, median, type TrialWork } from "../reducer/finish-duration.js";
import { limitsOf } from "../reducer/search-limits.js";
import { workedMinutes } from "../reducer/time-reserve.js";

/**
 * Trials that an expectation of the race counts for beside those that have been seen: many, because the first trials of a
 * search try whole families of choices, and what they see says little of the rest.
 */
const PRIOR_TRIALS = 80;
/**
 * Share of the trials that are stopped at each look of the race, by what they race against (docs/measurements.md, "Time
 * left"): those as small as the incumbent must be more accurate, smaller ones need only meet the bound.
 */
const STOPPED_AGAINST_SMALLEST = 0.3;
const STOPPED_OTHERWISE = 0.25;
/** The first trials read data and compile; their times say nothing about the rest. */
const COLD_TRIALS = 2;
/** Trials that the estimate needs besides. */
const FEWEST_TRIALS = 3;
/**
 * Seconds until the run is done; `undefined` before a few trials have ended.
 *
 * A trial takes a fixed time and one that grows with the samples that it sees. Both are taken from the trials that have
 * ended, as is how many run at once; the samples that are still to be seen follow from what trials race against.
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
  /** Seconds of a worker that a trial takes whatever it sees, its preparation in them. */
  readonly fixed: number;
  /** Seconds that pass for each second that trials are expected to take: workers side by side, and waiting. */
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

/** Share of the evaluation samples that a coming trial sees. */
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

/** Share of the samples that a trial sees on average, where such a share of trials is stopped at each look but the last. */
function shareSeen(stopped: number, samples: number): number {
  let share = 0;
  let going = 1;
  for (const look of lookSchedule(samples).slice(0, -1)) {
    share += (going * stopped * look) / samples;
    going *= 1 - stopped;
  }
  return share + going;
}

/** The search stops in time for the finish to be within the limit as well. */
function limited(state: RunState, at: number, seconds: number): number {
  const { maxMinutes } = limitsOf(state);
  if (maxMinutes === 0) return seconds;
  return Math.min(seconds, Math.max(0, (maxMinutes - workedMinutes(state, at)) * 60));
}
