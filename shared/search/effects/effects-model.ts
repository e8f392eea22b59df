import { GrowingCholesky } from "../numerics/cholesky.js";
import { addAt, sumAt } from "../numerics/vectors.js";
import type { Codes, EncodedSpace } from "../space/encoding.js";
import { type ChoiceTrees, choiceTrees } from "./choice-trees.js";
import { multiplyChoices, type OrdinalCovariance, ordinalCovariances } from "./ordinal-covariance.js";

/**
 * How much each parameter matters to one outcome, and how much of the outcome no parameter explains. Variances
 * are shares of the outcome's own variance.
 */
export interface Relevance {
  /** Variance of a parameter's effects, one a parameter. */
  readonly variance: Float64Array;
  /** Variance of what is left: noise and interactions. */
  readonly noise: number;
}

/**
 * A Bayesian additive model of an outcome: the sum of one effect a parameter's choice, each parameter with its own
 * prior variance (automatic relevance determination: MacKay 1992; Tipping, "Sparse Bayesian learning", 2001), seen
 * through normal noise. It stands in the dual form, over observations: kernel k(x, x') = 1 + sum of variance_d *
 * psi_d, where psi_d is 1 where both configurations hold the same choice, -1 / (K - 1) where they hold different
 * ones (so effects add up to zero over the choices), and 0 where either lacks the parameter. Choices of an ordinal
 * parameter have the covariance of {@link OrdinalCovariance} in its place.
 *
 * Effects stand in one row, all choices of all parameters, and last the intercept.
 */
export class EffectsModel {
  /** Where the choices of each observation stand in the row of all choices. */
  readonly #places: Int32Array[] = [];
  /** The same by combinations of choices, which are fewer. */
  readonly #leaves: Int32Array[] = [];
  readonly #trees: ChoiceTrees;
  /** Sums at the nodes of the trees. */
  readonly #sums: Float64Array;
  readonly #factor = new GrowingCholesky();
  readonly #mismatch: Float64Array;
  readonly #ordinal: readonly (OrdinalCovariance | undefined)[];
  /** Prior covariance of the effects of choices with the outcome of the observation added last; behind them a zero. */
  readonly #latest: Float64Array;

  constructor(
    readonly encoded: EncodedSpace,
    readonly relevance: Relevance,
  ) {
    this.#mismatch = relevance.variance.map(
      (variance, d) => -variance / Math.max(1, encoded.cardinality[d]! - 1),
    );
    this.#ordinal = ordinalCovariances(encoded);
    this.#latest = new Float64Array(encoded.offset[encoded.size]! + 1);
    this.#trees = choiceTrees(encoded);
    this.#sums = new Float64Array(this.#trees.slots);
  }

  get size(): number {
    return this.#places.length;
  }

  get places(): readonly Int32Array[] {
    return this.#places;
  }

  /** Of the observations' covariance, noise included. */
  get factor(): GrowingCholesky {
    return this.#factor;
  }

  append(codes: Codes): void {
    const n = this.size;
    const row = new Float64Array(n + 1);
    const sums = this.#sums;
    this.#covariance(codes, this.#latest);
    this.#trees.carryDown(this.#latest, sums);
    const leaves = this.#trees.leavesOf(codes);
    for (let i = 0; i < n; i++) {
      row[i] = 1 + sumAt(sums, this.#leaves[i]!);
    }
    row[n] = 1 + sumAt(sums, leaves) + this.relevance.noise;
    this.#factor.append(row);
    this.#places.push(knownPlaces(this.encoded, codes));
    this.#leaves.push(leaves);
  }

  /** Forgets all observations from `size` on. */
  truncate(size: number): void {
    this.#factor.truncate(size);
    this.#places.length = Math.min(size, this.#places.length);
    this.#leaves.length = this.#places.length;
  }

  /**
   * Posterior mean effects.
   *
   * @param outcomes standardized, one an observation
   */
  effects(outcomes: ArrayLike<number>): Float64Array {
    return this.project(this.#factor.solve(outcomes));
  }

  /**
   * Covariance of the effects with what the last observation brought beyond what was foretold by those before, per
   * standard deviation of that. It does not depend on outcomes.
   */
  lastGain(): Float64Array {
    const last = this.size - 1;
    const covariance = this.#latest;
    const known = this.project(this.#factor.lastRowWeights());
    const scale = 1 / this.#factor.pivot(last);
    const intercept = known.length - 1;
    for (let k = 0; k < intercept; k++) {
      known[k] = scale * (covariance[k]! - known[k]!);
    }
    known[intercept] = scale * (1 - known[intercept]!);
    return known;
  }

  /**
   * Covariance of the effects with a sum over observations.
   *
   * @param weights of the first observations in the sum
   */
  project(weights: Float64Array): Float64Array {
    const { offset, cardinality, size } = this.encoded;
    const effects = new Float64Array(offset[size]! + 1);
    const sums = this.#sums.fill(0);
    let total = 0;
    for (let i = 0; i < weights.length; i++) {
      addAt(sums, this.#leaves[i]!, weights[i]!);
      total += weights[i]!;
    }
    this.#trees.carryBack(sums, effects);
    for (let d = 0; d < size; d++) {
      const choices = cardinality[d]!;
      const end = offset[d + 1]!;
      const ordinal = this.#ordinal[d];
      if (ordinal !== undefined) {
        multiplyChoices(ordinal.covariance, this.relevance.variance[d]!, effects, offset[d]!, choices);
        continue;
      }
      const scale = this.relevance.variance[d]! / Math.max(1, choices - 1);
      let sum = 0;
      for (let k = offset[d]!; k < end; k++) {
        sum += effects[k]!;
      }
      for (let k = offset[d]!; k < end; k++) {
        effects[k] = scale * (choices * effects[k]! - sum);
      }
    }
    effects[offset[size]!] = total;
    return effects;
  }

  /** Prior covariance of the effects of choices with the outcome of a configuration; what it lacks has none. */
  #covariance(codes: Codes, row: Float64Array): void {
    const { offset, size } = this.encoded;
    const { variance } = this.relevance;
    for (let d = 0; d < size; d++) {
      const code = codes[d]!;
      const start = offset[d]!;
      const end = offset[d + 1]!;
      const ordinal = this.#ordinal[d];
      if (ordinal !== undefined && code >= 0) {
        const own = code * ordinal.choices;
        for (let k = start; k < end; k++) {
          row[k] = variance[d]! * ordinal.covariance[own + k - start]!;
        }
        continue;
      }
      const mismatch = code >= 0 ? this.#mismatch[d]! : 0;
      for (let k = start; k < end; k++) {
        row[k] = mismatch;
      }
      if (code >= 0) {
        row[start + code] = variance[d]!;
      }
    }
  }
}

/**
 * Where the choices of a configuration stand in the row of all choices; what it lacks is left out.
 *
 * @param places what they are written to; the result is a view of its beginning
 */
export function choicePlaces(
  { offset, size }: EncodedSpace,
  codes: Codes,
  places: Int32Array = new Int32Array(size),
): Int32Array {
  let active = 0;
  for (let d = 0; d < size; d++) {
    const code = codes[d]!;
    if (code >= 0) {
      places[active++] = offset[d]! + code;
    }
  }
  return places.subarray(0, active);
}

/** Of trials, whose codes never change: the models of several outcomes and refits read the very same arrays. */
const placesOfTrials = new WeakMap<Codes, Int32Array>();

/** {@link choicePlaces} of codes that never change. */
export function knownPlaces(encoded: EncodedSpace, codes: Codes): Int32Array {
  let places = placesOfTrials.get(codes);
  if (places === undefined) {
    places = choicePlaces(encoded, codes).slice();
    placesOfTrials.set(codes, places);
  }
  return places;
}

/** The outcome that the effects foretell for a configuration of these choices. */
export function sumEffects(effects: Float64Array, places: Int32Array): number {
  return effects[effects.length - 1]! + sumAt(effects, places);
}
