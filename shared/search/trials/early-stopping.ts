import { logNormalCdf, normalQuantile } from "../numerics/normal.js";
import { createRandomStream } from "../numerics/random.js";

/** Number of samples scored before the first interim look (check) at a trial; every further look doubles it. */
const FIRST_LOOK_SAMPLES = 64;

/**
 * A trial is stopped when its probability to reach the accuracy threshold falls below this. It is far above the
 * error rate of a statistical test: stopping a trial wrongly costs the search one of many that are nearly as
 * good.
 */
export const STOPPING_PROBABILITY = 0.1;

/**
 * Factor on the stopping probability for trials that can only tie with the incumbent on cost: among those,
 * accuracy within the bound merely breaks the tie, so they are stopped sooner.
 */
const TIE_FACTOR = 2;

/** The order in which every trial of a run scores the evaluation samples: a permutation of 0 … count - 1. */
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

/** Number of samples scored at each interim look, ascending; the last one is `total`. */
export function lookSchedule(total: number, first = FIRST_LOOK_SAMPLES): number[] {
  const looks: number[] = [];
  for (let seen = first; seen < total; seen *= 2) {
    looks.push(seen);
  }
  return [...looks, total];
}

/**
 * Mean score of several models for each evaluation sample: the reference that trials are compared with. A
 * trial's scores differ less from this mean than from any single model's, so fewer samples suffice (a control
 * variate: Cochran, "Sampling Techniques", section 7.9).
 *
 * @param scores per model, one score per sample, the samples in the same order; at least one model
 */
export function meanScores(scores: readonly Float32Array[]): Float64Array {
  const [first = new Float32Array()] = scores;
  return Float64Array.from(
    first,
    (_, sample) => scores.reduce((sum, rows) => sum + rows[sample]!, 0) / scores.length,
  );
}

/** Mean of a per-sample quantity over the samples scored so far. */
export interface SampleMean {
  readonly mean: number;
  /** Standard deviation of the quantity between samples (not of its mean). */
  readonly deviation: number;
  readonly count: number;
}

/**
 * Mean and deviation of the differences trial minus reference, over the samples that both have scored.
 *
 * @param trial one score per sample, in the run's sample order; higher is better
 * @param reference scores of the same samples by the model that the trial is compared with
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
 * Logarithm of the probability that the mean over all M samples reaches a threshold, given n of them scored
 * in random order. The mean over all is taken as normally distributed around the mean so far, with the
 * variance s² (1/n - 1/M) of sampling without replacement (Cochran, "Sampling Techniques", section 2.6). Two
 * samples are added, one at each end of the range, which keeps s above 0 while all differences are equal (as
 * Agresti and Coull do for proportions).
 *
 * @param total M, the number of all samples; `sample.count` is n < M
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

/**
 * Standard error of the mean over all `total` samples as predicted from those scored, of which there is at
 * least one.
 */
function deviationOfMean({ deviation, count }: SampleMean, total: number, range: number): number {
  const variance = ((count - 1) * deviation ** 2 + range ** 2 / 2) / (count + 1);
  return Math.sqrt(variance * (1 / count - 1 / total));
}

/**
 * Upper confidence bound of the mean over all samples: the value that the mean reaches with probability
 * `delta`, the inverse of {@link logChanceToReach}. A stopped trial is judged by it, as its raw mean over a few
 * samples is mostly noise and would let a near miss look like a clear failure.
 *
 * @param sample at least one sample
 */
export function upperConfidenceBound(
  sample: SampleMean,
  total: number,
  range: number,
  delta: number = STOPPING_PROBABILITY,
): number {
  return sample.mean - normalQuantile(delta) * deviationOfMean(sample, total, range);
}

/**
 * A trial at one interim look (check for early stopping). Scores are per sample, higher is better. All means
 * are over all samples and relative to the reference (trial minus reference), also those of the bound and the
 * incumbent: the reference only removes the variance that models have in common.
 */
export interface InterimLook {
  /** Number of samples that a complete trial scores. */
  readonly total: number;
  /** Largest possible minus smallest possible difference of two models' scores of one sample. */
  readonly range: number;
  /** Probability to reach the threshold below which the trial is stopped. */
  readonly delta?: number;
  /** Score differences, trial minus reference, over the samples scored so far. */
  readonly differences: SampleMean;
  /**
   * The smallest mean of the samples' scores, minus the reference's, with which a trial still meets the accuracy
   * bound.
   */
  readonly least?: number;
  /** The best trial so far, which the trial has to beat. */
  readonly incumbent?: {
    /** Whether the incumbent is at least as good as the trial in every objective but accuracy. */
    readonly betterElsewhere: boolean;
    /**
     * The incumbent's mean score difference to the reference. Leave it out where the trial's accuracy cannot
     * matter (with the objective `constrained`, where the trial costs more than the incumbent), and give a
     * feasible incumbent only.
     */
    readonly mean?: number;
    /** Whether accuracy is no objective, so that at most it breaks a tie of cost between trial and incumbent. */
    readonly tie?: boolean;
  };
}

export type StoppingDecision = "continue" | "infeasible" | "dominated";

/**
 * Decides whether a trial goes on. It is stopped as infeasible when it is unlikely to meet the accuracy bound,
 * and as dominated when it is unlikely to reach the incumbent's accuracy and is better in no other objective.
 * Without the incumbent's mean, the other objectives decide at the first look (interim check). A trial that has
 * scored all samples always goes on, so that its state is `complete`.
 *
 * Normal intervals are used because distribution-free ones (Bernstein-Serfling) are too wide to separate trials
 * that differ in a few samples of a hundred.
 */
export function decideStopping({
  total,
  range,
  delta = STOPPING_PROBABILITY,
  differences,
  least,
  incumbent,
}: InterimLook): StoppingDecision {
  const isHopeless = (threshold: number, chance = delta): boolean =>
    logChanceToReach(differences, threshold, total, range) < Math.log(chance);
  if (differences.count >= total) return "continue";
  if (least !== undefined && isHopeless(least)) return "infeasible";
  if (incumbent?.betterElsewhere) {
    const { mean, tie = false } = incumbent;
    const chance = tie ? Math.min(0.5, TIE_FACTOR * delta) : delta;
    return mean === undefined || isHopeless(mean, chance) ? "dominated" : "continue";
  }
  return "continue";
}
