import { logNormalCdf, normalQuantile } from "../numerics/normal.js";
import { createRandomStream } from "../numerics/random.js";

/** Samples of the first look; every further look doubles them (search.md, "The race"). */
const FIRST_LOOK_SAMPLES = 64;

/**
 * The chance to get there below which a trial is stopped at a look. A trial that is stopped wrongly costs the search one
 * of many that are nearly as good, so this is far from the error that a test would be allowed.
 */
export const RACE_DELTA = 0.1;

/**
 * By how much sooner a trial is given up that is as small as the incumbent, against one that could still be smaller:
 * within the bound accuracy only breaks ties, and on samples that cannot tell such trials apart (docs/search.md, "Race").
 */
const TIE_PATIENCE = 2;

/** The order in which every trial of a run meets the evaluation samples: a permutation of 0 … count - 1. */
export function sampleOrder(seed: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  const random = createRandomStream(seed, 0, "sample-order");
  for (let last = count - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const sample = order[last]!;
    order[last] = order[other]!;
    order[other] = sample;
  }
  return order;
}

/** How many samples have been seen at each look; the last look sees all of them. */
export function lookSchedule(total: number, first = FIRST_LOOK_SAMPLES): number[] {
  const looks: number[] = [];
  for (let seen = first; seen < total; seen *= 2) {
    looks.push(seen);
  }
  return [...looks, total];
}

/**
 * What trials are set against, sample by sample: the mean of several models' scores. A trial differs from it less than
 * from any of them, so that fewer samples tell as much (a control variate: Cochran, "Sampling Techniques", section 7.9;
 * docs/search.md, "Race").
 *
 * @param scores of one model each, all of them over the same samples in the same order; at least one
 */
export function meanScores(scores: readonly Float32Array[]): Float64Array {
  const [first = new Float32Array()] = scores;
  return Float64Array.from(
    first,
    (_, sample) => scores.reduce((sum, rows) => sum + rows[sample]!, 0) / scores.length,
  );
}

/** A mean over the samples seen so far. */
export interface SampleMean {
  readonly mean: number;
  /** Sample standard deviation. */
  readonly deviation: number;
  readonly count: number;
}

/**
 * Differences sample by sample, trial minus reference, over the samples that both have seen.
 *
 * @param trial one score a sample, in the run's sample order; higher is better
 * @param reference the same samples scored by what the trial is compared with
 */
export function pairedDifferences(trial: ArrayLike<number>, reference: ArrayLike<number>): SampleMean {
  const count = Math.min(trial.length, reference.length);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += trial[i]! - reference[i]!;
  }
  const mean = count === 0 ? 0 : sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) {
    squares += (trial[i]! - reference[i]! - mean) ** 2;
  }
  return { mean, deviation: count < 2 ? 0 : Math.sqrt(squares / (count - 1)), count };
}

/**
 * Logarithm of the probability that the mean over all samples reaches a threshold, after some were seen in random order:
 * the mean over all is normally distributed around that of the seen with the variance s^2 (1/n - 1/M) of sampling
 * without replacement (Cochran, "Sampling Techniques", section 2.6). Two samples more, one at each end of the range,
 * keep s from being 0 while nothing has differed yet (as Agresti and Coull do for proportions).
 *
 * @param total M, the samples that there are; `sample.count` of them, n, have been seen, but not all
 * @param range largest possible minus smallest possible difference
 */
export function logChanceToReach(
  sample: SampleMean,
  threshold: number,
  total: number,
  range: number,
): number {
  if (sample.count === 0) return 0;
  return logNormalCdf((sample.mean - threshold) / deviationOfMean(sample, total, range));
}

/** Standard deviation of the mean over all samples around that of those seen, which must be at least one. */
function deviationOfMean({ deviation, count }: SampleMean, total: number, range: number): number {
  const variance = ((count - 1) * deviation ** 2 + range ** 2 / 2) / (count + 1);
  return Math.sqrt(variance * (1 / count - 1 / total));
}

/**
 * The mean over all samples that is reached by a chance of `delta`, after those seen; {@link logChanceToReach} is its
 * inverse. It is what a stopped trial is known by: of a mean over a few samples hardly more is sure than on which side
 * of the bound it is, so that one which just failed must not look like one that is far off.
 *
 * @param sample at least one sample
 */
export function reachableMean(
  sample: SampleMean,
  total: number,
  range: number,
  delta: number = RACE_DELTA,
): number {
  return sample.mean - normalQuantile(delta) * deviationOfMean(sample, total, range);
}

/**
 * A trial at one look of the race. Scores are per sample and higher is better; means are those over all samples, trial
 * minus reference, whatever the trial is compared with: the reference only takes out what samples have in common.
 */
export interface RaceLook {
  /** The samples that there are in the run. */
  readonly total: number;
  /** Largest possible minus smallest possible difference of two scores of a sample. */
  readonly range: number;
  /** The chance below which a trial is stopped. */
  readonly delta?: number;
  /** Trial minus reference, on the samples seen. */
  readonly differences: SampleMean;
  /** The mean that the accuracy bound asks for. */
  readonly least?: number;
  /** The incumbent, and whether it is better in every objective but accuracy. */
  readonly incumbent?: {
    readonly betterElsewhere: boolean;
    /**
     * The incumbent's mean. Where accuracy is only a bound, as under the objective `constrained`, it is no objective:
     * leave the mean out, and name a feasible incumbent only.
     */
    readonly mean?: number;
    /** Whether accuracy only decides between trials that are equal in all else. */
    readonly tie?: boolean;
  };
}

export type RaceDecision = "continue" | "infeasible" | "dominated";

/**
 * Whether a trial goes on: it is stopped as infeasible when it will hardly meet the accuracy bound any more, and as
 * dominated when it will hardly reach the incumbent's accuracy and every other objective is worse too. Where accuracy is
 * no objective, the others decide at the first look. A trial that has seen all samples always goes on, so that its state
 * is `complete`.
 *
 * search.md asks for Bernstein-Serfling intervals here. They hold for any distribution, and thereby decide next to nothing
 * between trials that differ in a few samples of a hundred (docs/search.md, "The race").
 */
export function decideRace({
  total,
  range,
  delta = RACE_DELTA,
  differences,
  least,
  incumbent,
}: RaceLook): RaceDecision {
  const isHopeless = (threshold: number, chance = delta): boolean =>
    logChanceToReach(differences, threshold, total, range) < Math.log(chance);
  if (differences.count >= total) return "continue";
  if (least !== undefined && isHopeless(least)) return "infeasible";
  if (incumbent?.betterElsewhere) {
    const { mean, tie = false } = incumbent;
    const chance = tie ? Math.min(0.5, TIE_PATIENCE * delta) : delta;
    return mean === undefined || isHopeless(mean, chance) ? "dominated" : "continue";
  }
  return "continue";
}
