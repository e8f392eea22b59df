import { createRandomStream } from "./random.js";

/** Samples of the first look; every further look doubles them (search.md, "The race"). */
const FIRST_LOOK_SAMPLES = 64;

/**
 * Probability that any look at one trial misjudges it, spent over its looks. The interval is a worst-case one and
 * holds far more often than this.
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

/** What look number `look` (from 1) may spend of `delta`; all looks together spend it once. */
export function spentDelta(delta: number, look: number): number {
  return (6 * delta) / (Math.PI ** 2 * look ** 2);
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
 * Half the width of the empirical Bernstein-Serfling interval for a mean over samples drawn without replacement
 * (Bardenet and Maillard, arXiv 1309.4029, theorem 4.3). 0 when all samples have been seen: the mean is exact.
 *
 * @param total M, the samples that there are; `sample.count` of them have been seen
 * @param range largest possible minus smallest possible difference
 * @param delta probability that the interval misses the mean over all samples
 */
export function bernsteinSerflingHalfWidth(
  sample: Pick<SampleMean, "deviation" | "count">,
  total: number,
  range: number,
  delta: number,
): number {
  const { deviation, count } = sample;
  if (count >= total) {
    return 0;
  }
  if (count === 0) {
    return Number.POSITIVE_INFINITY;
  }
  const rho = count <= total / 2 ? 1 - (count - 1) / total : (1 - count / total) * (1 + 1 / count);
  const kappa = 7 / 3 + 3 / Math.SQRT2;
  const logTerm = Math.log(5 / delta);
  return deviation * Math.sqrt((2 * rho * logTerm) / count) + (kappa * range * logTerm) / count;
}

/** A trial at one look of the race. Scores are per sample and higher is better. */
export interface RaceLook {
  /** From 1. */
  readonly look: number;
  /** The samples that there are in the run. */
  readonly total: number;
  /** Largest possible minus smallest possible difference of two scores of a sample. */
  readonly range: number;
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
 * Whether a trial goes on: it is stopped as infeasible when even the optimistic end of its interval misses the
 * accuracy bound, and as dominated when the optimistic end is below the incumbent's accuracy and every other
 * objective is worse too. Where accuracy is no objective, the others decide at the first look. A trial that has seen all
 * samples always goes on, so that its state is `complete`.
 */
export function decideRace(look: RaceLook): RaceDecision {
  const delta = spentDelta(look.delta ?? RACE_DELTA, look.look);
  const optimistic = (differences: SampleMean): number =>
    differences.mean + bernsteinSerflingHalfWidth(differences, look.total, look.range, delta);
  const { bound, incumbent } = look;
  if ((bound?.differences.count ?? incumbent?.differences?.count ?? 0) >= look.total) {
    return "continue";
  }
  if (bound !== undefined && optimistic(bound.differences) < bound.least) {
    return "infeasible";
  }
  if (incumbent?.betterElsewhere) {
    const { differences } = incumbent;
    return differences === undefined || optimistic(differences) < 0 ? "dominated" : "continue";
  }
  return "continue";
}
