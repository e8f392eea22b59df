import { GrowingCholesky } from "./cholesky.js";
import type { Codes, EncodedSpace } from "./encoding.js";
import type { RandomStream } from "./random.js";

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

/** A parameter's variance is held towards an equal share by so many pseudo-observations: strong effects are few. */
const RELEVANCE_PRIOR_WEIGHT = 0.5;
const RELEVANCE_PRIOR_SHARE = 0.5;
const INITIAL_EXPLAINED_SHARE = 0.7;
const INITIAL_NOISE = 0.3;
const LEAST_VARIANCE = 1e-7;
const LEAST_NOISE = 1e-4;
const NOISE_PRIOR_SQUARES = 0.02;

export function initialRelevance(encoded: EncodedSpace): Relevance {
  return {
    variance: new Float64Array(encoded.size).fill(INITIAL_EXPLAINED_SHARE / Math.max(1, encoded.size)),
    noise: INITIAL_NOISE,
  };
}

/**
 * A Bayesian additive model of an outcome: the sum of one effect a parameter's choice, each parameter with its own
 * prior variance (automatic relevance determination: MacKay 1992; Tipping, "Sparse Bayesian learning", 2001), seen
 * through normal noise. It stands in the dual form, over observations: kernel k(x, x') = 1 + sum of variance_d *
 * psi_d, where psi_d is 1 where both configurations hold the same choice, -1 / (K - 1) where they hold different
 * ones (so effects add up to zero over the choices), and 0 where either lacks the parameter.
 */
export class EffectsModel {
  readonly #rows: Codes[] = [];
  readonly #factor = new GrowingCholesky();
  readonly #mismatch: Float64Array;

  constructor(
    readonly encoded: EncodedSpace,
    readonly relevance: Relevance,
  ) {
    this.#mismatch = relevance.variance.map(
      (variance, d) => -variance / Math.max(1, encoded.cardinality[d]! - 1),
    );
  }

  get size(): number {
    return this.#rows.length;
  }

  append(codes: Codes): void {
    const n = this.#rows.length;
    const row = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) {
      row[i] = this.#covariance(codes, this.#rows[i]!);
    }
    row[n] = this.#covariance(codes, codes) + this.relevance.noise;
    this.#factor.append(row);
    this.#rows.push(codes);
  }

  /** Forgets all observations from `size` on. */
  truncate(size: number): void {
    this.#factor.truncate(size);
    this.#rows.length = Math.min(size, this.#rows.length);
  }

  /**
   * Posterior mean effects.
   *
   * @param outcomes standardized, one an observation
   * @returns the effect of each choice of each parameter in one row, and last the intercept
   */
  effects(outcomes: ArrayLike<number>): Float64Array {
    return this.#project(this.#factor.solve(outcomes));
  }

  /**
   * What to add to the mean effects for one draw from their posterior, scaled by `temperature`: a draw from the
   * prior, corrected by what it would have foretold for the observations (Matheron's rule).
   */
  deviation(random: RandomStream, temperature: number): Float64Array {
    const { offset, cardinality, size } = this.encoded;
    const draw = new Float64Array(offset[size]! + 1);
    for (let d = 0; d < size; d++) {
      const choices = cardinality[d]!;
      const scale = Math.sqrt((this.relevance.variance[d]! * choices) / Math.max(1, choices - 1));
      let sum = 0;
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        draw[k] = scale * random.normal();
        sum += draw[k]!;
      }
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        draw[k]! -= sum / choices;
      }
    }
    draw[offset[size]!] = random.normal();
    const noise = Math.sqrt(this.relevance.noise);
    const foretold = Float64Array.from(
      this.#rows,
      (codes) => -sumEffects(this.encoded, draw, codes) - noise * random.normal(),
    );
    const correction = this.#project(this.#factor.solve(foretold));
    return draw.map((value, k) => temperature * (value + correction[k]!));
  }

  /**
   * One step of MacKay's fixed point ("Bayesian interpolation", 1992): a variance is the sum of squared effects over
   * the number of effects that the observations determine.
   *
   * @param outcomes standardized, one an observation
   */
  reestimate(outcomes: ArrayLike<number>): Relevance {
    const { encoded } = this;
    const rows = this.#rows;
    const { size, cardinality } = encoded;
    const alpha = this.#factor.solve(outcomes);
    const inverse = this.#factor.inverse();
    const effects = this.#project(alpha);
    const posterior = sumOverPairs(encoded, rows, inverse);
    const { variance, noise } = this.relevance;
    const priorSquares = (2 * RELEVANCE_PRIOR_WEIGHT * RELEVANCE_PRIOR_SHARE) / Math.max(1, size);
    const reestimated = variance.map((old, d) => {
      const spread = cardinality[d]! - 1;
      if (spread === 0) {
        return LEAST_VARIANCE;
      }
      const squares =
        (spread / (spread + 1)) * sumOfSquares(effects, encoded.offset[d]!, encoded.offset[d + 1]!);
      const determined = (old * (posterior.matching[d]! * (spread + 1) - posterior.shared[d]!)) / spread;
      return Math.max(
        LEAST_VARIANCE,
        (squares + priorSquares) / (Math.max(0, determined) + 2 * RELEVANCE_PRIOR_WEIGHT),
      );
    });
    const residual = noise * noise * alpha.reduce((sum, value) => sum + value * value, 0);
    const undetermined = noise * posterior.trace;
    return {
      variance: reestimated,
      noise: Math.max(LEAST_NOISE, (residual + NOISE_PRIOR_SQUARES) / (undetermined + 1)),
    };
  }

  #covariance(a: Codes, b: Codes): number {
    const { variance } = this.relevance;
    const mismatch = this.#mismatch;
    let sum = 1;
    for (let d = 0; d < a.length; d++) {
      const code = a[d]!;
      if (code === b[d]) {
        sum += code < 0 ? 0 : variance[d]!;
      } else if (code >= 0 && b[d]! >= 0) {
        sum += mismatch[d]!;
      }
    }
    return sum;
  }

  /** The effects that go with the dual weights of the observations. */
  #project(alpha: Float64Array): Float64Array {
    const { offset, cardinality, size } = this.encoded;
    const effects = new Float64Array(offset[size]! + 1);
    const total = new Float64Array(size);
    for (const [i, codes] of this.#rows.entries()) {
      const weight = alpha[i]!;
      effects[offset[size]!]! += weight;
      for (let d = 0; d < size; d++) {
        const code = codes[d]!;
        if (code >= 0) {
          effects[offset[d]! + code]! += weight;
          total[d]! += weight;
        }
      }
    }
    for (let d = 0; d < size; d++) {
      const choices = cardinality[d]!;
      const scale = this.relevance.variance[d]! / Math.max(1, choices - 1);
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        effects[k] = scale * (choices * effects[k]! - total[d]!);
      }
    }
    return effects;
  }
}

interface PairSums {
  /** Over the pairs that hold the same choice of a parameter. */
  readonly matching: Float64Array;
  /** Over the pairs that both have the parameter. */
  readonly shared: Float64Array;
  readonly trace: number;
}

/** @param packed lower triangle of a symmetric matrix over the observations */
function sumOverPairs({ size }: EncodedSpace, rows: readonly Codes[], packed: Float64Array): PairSums {
  const matching = new Float64Array(size);
  const shared = new Float64Array(size);
  let trace = 0;
  for (let i = 0; i < rows.length; i++) {
    const a = rows[i]!;
    const start = (i * (i + 1)) / 2;
    for (let j = 0; j <= i; j++) {
      const b = rows[j]!;
      const weight = (i === j ? 1 : 2) * packed[start + j]!;
      trace += i === j ? weight : 0;
      for (let d = 0; d < size; d++) {
        const code = a[d]!;
        if (code >= 0 && b[d]! >= 0) {
          shared[d]! += weight;
          if (code === b[d]) {
            matching[d]! += weight;
          }
        }
      }
    }
  }
  return { matching, shared, trace };
}

function sumOfSquares(values: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let k = start; k < end; k++) {
    sum += values[k]! * values[k]!;
  }
  return sum;
}

/** The outcome that the effects foretell for a configuration. */
export function sumEffects(encoded: EncodedSpace, effects: Float64Array, codes: Codes): number {
  const { offset, size } = encoded;
  let sum = effects[offset[size]!]!;
  for (let d = 0; d < size; d++) {
    const code = codes[d]!;
    sum += code < 0 ? 0 : effects[offset[d]! + code]!;
  }
  return sum;
}
