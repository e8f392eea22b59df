import type { InferenceSession } from "onnxruntime-node";

/** Number of inferences of each model before anything is timed, for caches, branch predictors and lazy allocations. */
const WARM_UP_INFERENCES = 3;
/**
 * The latency of a model is the 20th percentile of its timed samples. Interruptions only lengthen a sample, so a low
 * quantile holds while four of five samples are interrupted; the median moves as soon as half of them are.
 */
const LATENCY_QUANTILE = 0.2;
/** Shortest duration of a timed sample (a few inferences in a row), so that the clock's resolution does not count. */
const MIN_SAMPLE_MILLISECONDS = 0.05;
/** Most inferences in a timed sample: a clock too coarse to see one inference would ask for endless ones. */
const MAX_INFERENCES_PER_SAMPLE = 1_000;
/** Number of blocks of time into which the samples are cut; the ratios of the blocks give the standard error. */
const BLOCKS = 10;
/** Smallest number of timed samples of each model, whatever the time limit: one per block. */
const MIN_SAMPLES = BLOCKS;
/** Smallest number of timed samples of each model for timing to end before its time limit: five per block. */
const MIN_SAMPLES_TO_END_EARLY = 5 * BLOCKS;
const MAX_SAMPLES = 20_000;
/** Timing ends when the relative standard error of every latency ratio is at most this. */
const ENOUGH_NOISE = 0.01;
/**
 * Shortest duration of timing, however small the errors, as the clock frequency of a processor wanders for some
 * milliseconds.
 */
const MIN_SECONDS = 0.05;
/** Longest duration of timing, however large the errors, unless the caller gives another duration. */
const MAX_SECONDS = 1;
/** Seconds that measuring a latency ratio takes on a quiet machine. */
export const QUIET_SECONDS = 0.06;
/**
 * Relative standard error of the latency ratio between two sessions of one model, whose buffers have other places
 * in memory: part of every ratio's noise, because no number of samples of the same two sessions shows it.
 */
const SESSION_NOISE = 0.015;
/** Factor that makes the median absolute deviation an estimate of the standard deviation of normal noise. */
const MAD_TO_SIGMA = 1.4826;
/** Standard error of a median divided by that of a mean, for normal noise. */
const MEDIAN_EFFICIENCY = 1.2533;
/** A relative standard error of a latency ratio above this says that the machine is too busy to compare two models. */
export const TOO_NOISY = 0.05;
/** Half the width of a 95 % confidence interval, in standard errors. */
const INTERVAL_WIDTH = 1.96;

/** How much faster one model, the candidate, is than another, the reference. */
export interface LatencyRatio {
  /** Latency of the reference over that of the candidate: above 1 the candidate is faster. */
  readonly ratio: number;
  /** Standard error of `ratio`, relative to it (0.01 is one percent). */
  readonly noise: number;
  readonly referenceMs: number;
  readonly candidateMs: number;
}

/** The part of a session that timing needs: one inference per `run`. */
export type TimedModel = Pick<InferenceSession, "run">;

/** Timed samples of one model, in the order in which they were taken; each is in milliseconds per inference. */
export type LatencySamples = readonly number[];

export interface TimingOptions {
  /** How long to measure, in seconds; when left out, until the latency ratios are known well, at most `MAX_SECONDS`. */
  readonly seconds?: number | undefined;
  /** The clock: milliseconds from a fixed point in time. */
  readonly now?: () => number;
}

/**
 * Times models on this thread in turn, one short sample each, so that whatever slows the machine slows all of
 * them.
 *
 * @param models the first is the reference that the ratios are taken against, to know when to end
 * @returns the samples of each model in the order of `models`, equally many of each
 */
export async function timeInTurn(
  models: readonly TimedModel[],
  feeds: InferenceSession.OnnxValueMapType,
  { seconds, now = () => performance.now() }: TimingOptions = {},
): Promise<readonly LatencySamples[]> {
  const time = async (model: TimedModel, inferences: number): Promise<number> => {
    const start = now();
    for (let i = 0; i < inferences; i++) await model.run(feeds);
    return (now() - start) / inferences;
  };
  const timed: { readonly model: TimedModel; readonly inferences: number; readonly samples: number[] }[] = [];
  for (const model of models) {
    await time(model, WARM_UP_INFERENCES);
    const once = Math.min(await time(model, 1), await time(model, 1));
    const inferences = Math.min(
      MAX_INFERENCES_PER_SAMPLE,
      Math.max(1, Math.ceil(MIN_SAMPLE_MILLISECONDS / once)),
    );
    timed.push({ model, inferences, samples: [] });
  }
  const start = now();
  const end = start + 1000 * (seconds ?? MAX_SECONDS);
  const earliest = start + 1000 * MIN_SECONDS;
  let checkAt = MIN_SAMPLES_TO_END_EARLY;
  for (let count = 1; count <= MAX_SAMPLES; count++) {
    for (const { model, inferences, samples } of timed) samples.push(await time(model, inferences));
    if (count < MIN_SAMPLES) continue;
    if (now() >= end) break;
    if (seconds !== undefined || now() < earliest || count < checkAt) continue;
    // Sorting for the standard error takes time, so the error is computed only after each further quarter of samples.
    checkAt = Math.ceil(1.25 * count);
    const [reference, ...others] = timed.map(({ samples }) => samples);
    if (others.every((candidate) => blockNoise(reference!, candidate) <= ENOUGH_NOISE)) break;
  }
  return timed.map(({ samples }) => samples);
}

/** Compares a candidate's latency with the reference's, from samples that {@link timeInTurn} took of both. */
export function compareLatencies(reference: LatencySamples, candidate: LatencySamples): LatencyRatio {
  const [referenceMs, candidateMs] = [latencyOf(reference), latencyOf(candidate)];
  return {
    ratio: referenceMs / candidateMs,
    noise: Math.hypot(blockNoise(reference, candidate), SESSION_NOISE),
    referenceMs,
    candidateMs,
  };
}

/** Times two models in turn and compares their latencies. */
export async function measureLatencyRatio(
  reference: TimedModel,
  candidate: TimedModel,
  feeds: InferenceSession.OnnxValueMapType,
  options: TimingOptions = {},
): Promise<LatencyRatio> {
  const [samples, others] = await timeInTurn([reference, candidate], feeds, options);
  return compareLatencies(samples!, others!);
}

/** The 95 % confidence interval of a latency ratio. */
export function ratioInterval({ ratio, noise }: Pick<LatencyRatio, "ratio" | "noise">): [number, number] {
  return [ratio / (1 + INTERVAL_WIDTH * noise), ratio * (1 + INTERVAL_WIDTH * noise)];
}

/**
 * Whether the candidate is faster than the reference by more than chance: the 95 % interval of the ratio is above
 * 1.
 */
export function isFaster(latency: Pick<LatencyRatio, "ratio" | "noise">): boolean {
  return ratioInterval(latency)[0] > 1;
}

/** A model's latency in milliseconds per inference: a low quantile of its timed samples. */
function latencyOf(samples: LatencySamples): number {
  return quantile(samples, LATENCY_QUANTILE);
}

/** Relative standard error of the ratio of two latencies, from the ratios of blocks of consecutive samples. */
function blockNoise(reference: LatencySamples, candidate: LatencySamples): number {
  const length = reference.length / BLOCKS;
  const ratios = Array.from({ length: BLOCKS }, (_, block) => {
    const [from, to] = [Math.round(block * length), Math.round((block + 1) * length)];
    return latencyOf(reference.slice(from, to)) / latencyOf(candidate.slice(from, to));
  });
  const middle = quantile(ratios, 0.5);
  const deviation =
    MAD_TO_SIGMA *
    quantile(
      ratios.map((ratio) => Math.abs(ratio - middle)),
      0.5,
    );
  const noise = (MEDIAN_EFFICIENCY * deviation) / Math.sqrt(BLOCKS) / middle;
  // Samples too short for the clock are all 0 and give no ratio; no noise is reported for them.
  return Number.isFinite(noise) ? noise : 0;
}

/** The quantile (`share` from 0 to 1) of unsorted values, interpolated linearly between neighbours. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.ceil(position);
  return sorted[low]! + (position - low) * (sorted[high]! - sorted[low]!);
}
