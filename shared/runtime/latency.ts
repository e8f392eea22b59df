import type { InferenceSession } from "onnxruntime-node";

/** Untimed inferences of each model at the start, which fill caches and trigger lazy allocations. */
const WARM_UP_RUNS = 3;
/** Fewest turns; in each turn both models are timed, and the spread between turns gives the noise. */
const MIN_TURNS = 5;
const MAX_TURNS = 200;
/** Milliseconds per model and turn, long enough that clock resolution and switching are negligible. */
const TURN_MILLISECONDS = 4;
/** Upper bound of inferences per turn, for clocks too coarse to time a single one. */
const MAX_RUNS = 10_000;
/** Relative standard error of the ratio at which measuring ends, when no duration is given … */
const ENOUGH_NOISE = 0.01;
/** … and the seconds after which it ends at the latest. */
const DEFAULT_SECONDS = 1;
/** Typical seconds of a measurement on an idle machine, where a few turns reach `ENOUGH_NOISE`. */
export const QUIET_SECONDS = 0.06;
/** Factor from the median absolute deviation to the standard deviation of normal noise. */
const MAD_TO_SIGMA = 1.4826;
/** Factor from the standard error of a mean to that of a median, for normal noise. */
const MEDIAN_EFFICIENCY = 1.2533;

/** Relative speed of a candidate model over a reference model. */
export interface LatencyRatio {
  /** Latency of the reference divided by that of the candidate: above 1 the candidate is faster. */
  readonly ratio: number;
  /** Relative standard error of `ratio`. */
  readonly noise: number;
  readonly referenceMs: number;
  readonly candidateMs: number;
}

/** A model to time; each `run` is one inference. */
export type TimedModel = Pick<InferenceSession, "run">;

/**
 * Times two models alternately on this thread and compares them turn by turn, so that a temporary slowdown of
 * the machine affects both. Medians are used because interruptions only ever lengthen a turn.
 *
 * @param seconds upper limit; when omitted, measuring ends once the noise is low enough
 * @param now milliseconds since a fixed point in time
 */
export async function measureLatencyRatio(
  reference: TimedModel,
  candidate: TimedModel,
  feeds: InferenceSession.OnnxValueMapType,
  seconds?: number,
  now: () => number = () => performance.now(),
): Promise<LatencyRatio> {
  const time = async (model: TimedModel, runs: number): Promise<number> => {
    const start = now();
    for (let i = 0; i < runs; i++) await model.run(feeds);
    return (now() - start) / runs;
  };
  /** Warms a model up and returns the number of inferences per turn. */
  const calibrate = async (model: TimedModel): Promise<number> => {
    await time(model, WARM_UP_RUNS);
    const once = await time(model, WARM_UP_RUNS);
    return Math.min(MAX_RUNS, Math.max(1, Math.round(TURN_MILLISECONDS / once)));
  };
  const referenceRuns = await calibrate(reference);
  const candidateRuns = await calibrate(candidate);
  const end = now() + 1000 * (seconds ?? DEFAULT_SECONDS);
  const ratios: number[] = [];
  const times: { reference: number; candidate: number }[] = [];
  while (ratios.length < MAX_TURNS) {
    const turn = {
      reference: await time(reference, referenceRuns),
      candidate: await time(candidate, candidateRuns),
    };
    times.push(turn);
    ratios.push(turn.reference / turn.candidate);
    if (ratios.length < MIN_TURNS) continue;
    if (now() >= end) break;
    if (seconds === undefined && relativeNoise(ratios) <= ENOUGH_NOISE) break;
  }
  return {
    ratio: median(ratios),
    noise: relativeNoise(ratios),
    referenceMs: median(times.map((turn) => turn.reference)),
    candidateMs: median(times.map((turn) => turn.candidate)),
  };
}

function relativeNoise(ratios: readonly number[]): number {
  const middle = median(ratios);
  const deviation = MAD_TO_SIGMA * median(ratios.map((ratio) => Math.abs(ratio - middle)));
  return (MEDIAN_EFFICIENCY * deviation) / Math.sqrt(ratios.length) / middle;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
