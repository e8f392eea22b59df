import type { InferenceSession } from "onnxruntime-node";

/** Inferences of each model before anything is timed: caches, branch predictors, lazy allocations. */
const WARM_UP_RUNS = 3;
/** Turns in which both models are timed; their spread gives the noise. */
const FEWEST_TURNS = 5;
const MOST_TURNS = 200;
/** A turn lasts about this long for each model, so that the clock's resolution and the switch do not count. */
const TURN_MILLISECONDS = 4;
/** A clock too coarse to see one run would ask for endless ones. */
const MOST_RUNS = 10_000;
/** Without a given duration, measuring ends when the ratio is known this well … */
const ENOUGH_NOISE = 0.01;
/** … or after this long. */
const DEFAULT_SECONDS = 1;
/** How long measuring takes on a quiet machine, where a few turns tell the ratio that well. */
export const QUIET_SECONDS = 0.06;
/** Makes the median absolute deviation an estimate of the standard deviation. */
const MAD_TO_SIGMA = 1.4826;
/** The standard error of a median over that of a mean, for normal noise. */
const MEDIAN_EFFICIENCY = 1.2533;

/** How much faster one model is than another. */
export interface LatencyRatio {
  /** Latency of the reference over that of the candidate. */
  readonly ratio: number;
  /** Relative standard error of `ratio`. */
  readonly noise: number;
  readonly referenceMs: number;
  readonly candidateMs: number;
}

/** What is timed: one inference a run. */
export type TimedModel = Pick<InferenceSession, "run">;

/**
 * Times two models in turn on this thread and compares them turn by turn, so that whatever slows the machine for a
 * while slows both. Medians throughout: interruptions only ever lengthen a turn.
 *
 * @param seconds how long at most; as long as the noise asks for when left out
 * @param now milliseconds from a fixed point in time
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
  /** Warms a model up; how many runs make a turn. */
  const calibrate = async (model: TimedModel): Promise<number> => {
    await time(model, WARM_UP_RUNS);
    const once = await time(model, WARM_UP_RUNS);
    return Math.min(MOST_RUNS, Math.max(1, Math.round(TURN_MILLISECONDS / once)));
  };
  const referenceRuns = await calibrate(reference);
  const candidateRuns = await calibrate(candidate);
  const end = now() + 1000 * (seconds ?? DEFAULT_SECONDS);
  const ratios: number[] = [];
  const times: { reference: number; candidate: number }[] = [];
  while (ratios.length < MOST_TURNS) {
    const turn = {
      reference: await time(reference, referenceRuns),
      candidate: await time(candidate, candidateRuns),
    };
    times.push(turn);
    ratios.push(turn.reference / turn.candidate);
    if (ratios.length < FEWEST_TURNS) continue;
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
