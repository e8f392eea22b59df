import { GrowingCholesky } from "../numerics/cholesky.js";
import { addAt, sumAt } from "../numerics/vectors.js";
import type { Codes, EncodedSpace } from "../space/encoding.js";
import { type ChoiceTrees, choiceTrees } from "./choice-trees.js";
import { multiplyChoices, type OrdinalCovariance, ordinalCovariances } from "./ordinal-covariance.js";

/**
 * Prior variance of the effects of each parameter's choices on an outcome, and the residual variance. The
 * outcome is standardized, so all variances are relative to its own variance.
 */
export interface Relevance {
  /** Prior variance of each parameter's effects. */
  readonly variance: Float64Array;
  /** Residual variance of the outcome: measurement noise and interactions. */
  readonly noise: number;
}

/**
 * A Bayesian additive model of an outcome: intercept plus one effect per chosen value plus normal noise, where
 * each parameter has its own prior variance (automatic relevance determination: MacKay 1992; Tipping, "Sparse
 * Bayesian learning", 2001). Kept in the dual form, over observations, with the kernel k(x, x') = 1 + sum over
 * parameters of variance_d * psi_d: psi_d is 1 where both configurations have the same choice, -1 / (K - 1)
 * where they have different ones (so that effects sum to zero over the K choices), and 0 where the parameter is
 * inactive in either. For ordinal parameters {@link OrdinalCovariance} takes the place of psi_d.
 *
 * Effects are one array: those of all choices of all parameters, concatenated, and last the intercept.
 */
export class EffectsModel {
  /** For each observation (trial) the indices of its choices in the array of all parameters' choices. */
  readonly #indices: Int32Array[] = [];
  /** Leaves of each observation's configuration in the choice trees, which stand for its choices in sums. */
  readonly #leaves: Int32Array[] = [];
  readonly #trees: ChoiceTrees;
  /** Work array: one sum per node of the choice trees. */
  readonly #sums: Float64Array;
  readonly #factor = new GrowingCholesky();
  readonly #mismatch: Float64Array;
  readonly #ordinal: readonly (OrdinalCovariance | undefined)[];
  /**
   * Prior covariance of each choice's effect with the outcome of the observation added last, and a zero at the
   * end.
   */
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
    return this.#indices.length;
  }

  get indices(): readonly Int32Array[] {
    return this.#indices;
  }

  /** Cholesky factor of the prior covariance of the observations' outcomes, noise included. */
  get factor(): GrowingCholesky {
    return this.#factor;
  }

  /** Adds an observation, given by its configuration; the outcomes are passed to {@link effects} later. */
  append(codes: Codes): void {
    const n = this.size;
    const row = new Float64Array(n + 1);
    const sums = this.#sums;
    this.#covariance(codes, this.#latest);
    this.#trees.sumDown(this.#latest, sums);
    const leaves = this.#trees.leavesOf(codes);
    for (let i = 0; i < n; i++) {
      row[i] = 1 + sumAt(sums, this.#leaves[i]!);
    }
    row[n] = 1 + sumAt(sums, leaves) + this.relevance.noise;
    this.#factor.append(row);
    this.#indices.push(cachedChoiceIndices(this.encoded, codes));
    this.#leaves.push(leaves);
  }

  /** Removes all observations from index `size` on. */
  truncate(size: number): void {
    this.#factor.truncate(size);
    this.#indices.length = Math.min(size, this.#indices.length);
    this.#leaves.length = this.#indices.length;
  }

  /**
   * Posterior mean of the effects of all choices and, last, of the intercept.
   *
   * @param outcomes standardized, one per observation
   */
  effects(outcomes: ArrayLike<number>): Float64Array {
    return this.project(this.#factor.solve(outcomes));
  }

  /**
   * Kalman gain of the last observation: covariance of the effects with its innovation (outcome minus
   * prediction from the earlier observations), divided by the innovation's standard deviation. Independent of
   * outcomes.
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
   * Prior covariance of the effects with a weighted sum of the observations' outcomes.
   *
   * @param weights one per observation, from the first on; observations beyond them have weight 0
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
    this.#trees.sumUp(sums, effects);
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

  /**
   * Writes to `row` the prior covariance of each choice's effect with a configuration's outcome; 0 for inactive
   * parameters.
   */
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
 * Indices of a configuration's choices in the array of all parameters' choices, without inactive parameters.
 *
 * @param indices receives the indices; the result is a view of its beginning
 */
export function choiceIndices(
  { offset, size }: EncodedSpace,
  codes: Codes,
  indices: Int32Array = new Int32Array(size),
): Int32Array {
  let active = 0;
  for (let d = 0; d < size; d++) {
    const code = codes[d]!;
    if (code >= 0) {
      indices[active++] = offset[d]! + code;
    }
  }
  return indices.subarray(0, active);
}

/** Cache of {@link cachedChoiceIndices} by a trial's codes, shared by the models of all outcomes and refits. */
const indicesOfTrials = new WeakMap<Codes, Int32Array>();

/** {@link choiceIndices}, cached: `codes` must not change afterwards. */
export function cachedChoiceIndices(encoded: EncodedSpace, codes: Codes): Int32Array {
  let indices = indicesOfTrials.get(codes);
  if (indices === undefined) {
    indices = choiceIndices(encoded, codes).slice();
    indicesOfTrials.set(codes, indices);
  }
  return indices;
}

/** Predicted standardized outcome of a configuration with these choices: intercept plus the choices' effects. */
export function sumEffects(effects: Float64Array, indices: Int32Array): number {
  return effects[effects.length - 1]! + sumAt(effects, indices);
}
