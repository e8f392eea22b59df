import { logNormalCdf } from "./normal.js";
import { createRandomStream } from "./random.js";

/** Samples of the first look; every further look doubles them (search.md, "The race"). */
const FIRST_LOOK_SAMPLES = 64;

/**
 * The chance to get there below which a trial is stopped at a look. A trial that is stopped wrongly costs the search one
 * of many that are nearly as good, so this is far from the error that a test would be allowed.
 */
export const RACE_DELTA = 0.1;

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
  const { mean, deviation, count } = sample;
  if (count === 0) return 0;
  const variance = ((count - 1) * deviation ** 2 + range ** 2 / 2) / (count + 1);
  return logNormalCdf((mean - threshold) / Math.sqrt(variance * (1 / count - 1 / total)));
}

/** A trial at one look of the race. Scores are per sample and higher is better. */
export interface RaceLook {
  /** The samples that there are in the run. */
  readonly total: number;
  /** Largest possible minus smallest possible difference of two scores of a sample. */
  readonly range: number;
  /** The chance below which a trial is stopped. */
  readonly delta?: number;
  /** The accuracy bound: the mean difference to the float model must be at least `least`. */
  readonly bound?: { readonly differences: SampleMean; readonly least: number };
  /**
   * The incumbent, and whether it is better in every objective but accuracy. Where accuracy is only a bound, as under
   * the objective `constrained`, it is no objective: leave the differences out, and name a feasible incumbent only.
   */
  readonly incumbent?: { readonly differences?: SampleMean; readonly betterElsewhere: boolean };
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
export function decideRace({ total, range, delta = RACE_DELTA, bound, incumbent }: RaceLook): RaceDecision {
  const isHopeless = (differences: SampleMean, threshold: number): boolean =>
    logChanceToReach(differences, threshold, total, range) < Math.log(delta);
  if ((bound?.differences.count ?? incumbent?.differences?.count ?? 0) >= total) return "continue";
  if (bound !== undefined && isHopeless(bound.differences, bound.least)) return "infeasible";
  if (incumbent?.betterElsewhere) {
    const { differences } = incumbent;
    return differences === undefined || isHopeless(differences, 0) ? "dominated" : "continue";
  }
  return "continue";
}
