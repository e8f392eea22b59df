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

/** A parameter's variance is held towards what is expected of it by so many pseudo-observations: strong effects are few. */
const RELEVANCE_PRIOR_WEIGHT = 0.5;
const RELEVANCE_PRIOR_SHARE = 0.5;
const INITIAL_EXPLAINED_SHARE = 0.7;
const INITIAL_NOISE = 0.3;
const LEAST_VARIANCE = 1e-7;
const LEAST_NOISE = 1e-4;
/** A group's variance is held towards an equal share of a parameter by so many pseudo-observations. */
const GROUP_PRIOR_WEIGHT = 3;
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
  /** The rows as places in the row of all choices, so that sums over them need no branch. */
  readonly #places: Int32Array[] = [];
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
    const table = this.#covarianceTable(codes);
    const places = choicePlaces(this.encoded, codes);
    for (let i = 0; i < n; i++) {
      row[i] = 1 + sumAt(table, this.#places[i]!);
    }
    row[n] = 1 + sumAt(table, places) + this.relevance.noise;
    this.#factor.append(row);
    this.#rows.push(codes);
    this.#places.push(places);
  }

  /** The same observations, to which others can be added. */
  copy(): EffectsModel {
    const copy = new EffectsModel(this.encoded, this.relevance);
    copy.#factor.copyFrom(this.#factor);
    copy.#rows.push(...this.#rows);
    copy.#places.push(...this.#places);
    return copy;
  }

  /** Forgets all observations from `size` on. */
  truncate(size: number): void {
    this.#factor.truncate(size);
    this.#rows.length = Math.min(size, this.#rows.length);
    this.#places.length = this.#rows.length;
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
    const { size, cardinality } = encoded;
    const alpha = this.#factor.solve(outcomes);
    const inverse = this.#factor.inverse();
    const effects = this.#project(alpha);
    const posterior = sumOverPairs(encoded, this.#places, inverse);
    const { variance, noise } = this.relevance;
    const squares = variance.map((_, d) => {
      const spread = cardinality[d]! - 1;
      return (spread / (spread + 1)) * sumOfSquares(effects, encoded.offset[d]!, encoded.offset[d + 1]!);
    });
    const determined = variance.map((old, d) => {
      const spread = cardinality[d]! - 1;
      return spread === 0
        ? 0
        : Math.max(0, (old * (posterior.matching[d]! * (spread + 1) - posterior.shared[d]!)) / spread);
    });
    const share = RELEVANCE_PRIOR_SHARE / Math.max(1, size);
    const expected = groupVariances(encoded, squares, determined, share);
    const reestimated = variance.map((_, d) =>
      cardinality[d] === 1
        ? LEAST_VARIANCE
        : Math.max(
            LEAST_VARIANCE,
            (squares[d]! + 2 * RELEVANCE_PRIOR_WEIGHT * expected[d]!) /
              (determined[d]! + 2 * RELEVANCE_PRIOR_WEIGHT),
          ),
    );
    const residual = noise * noise * alpha.reduce((sum, value) => sum + value * value, 0);
    const undetermined = noise * posterior.trace;
    return {
      variance: reestimated,
      noise: Math.max(LEAST_NOISE, (residual + NOISE_PRIOR_SQUARES) / (undetermined + 1)),
    };
  }

  /** What each choice of another configuration adds to its covariance with this one; 0 for what does not exist. */
  #covarianceTable(codes: Codes): Float64Array {
    const { offset, size } = this.encoded;
    const table = new Float64Array(offset[size]! + 1);
    for (let d = 0; d < size; d++) {
      const code = codes[d]!;
      if (code >= 0) {
        table.fill(this.#mismatch[d]!, offset[d]!, offset[d + 1]!);
        table[offset[d]! + code] = this.relevance.variance[d]!;
      }
    }
    return table;
  }

  /** The effects that go with the dual weights of the observations. */
  #project(alpha: Float64Array): Float64Array {
    const { offset, cardinality, size } = this.encoded;
    const effects = new Float64Array(offset[size]! + 1);
    for (const [i, places] of this.#places.entries()) {
      addAt(effects, places, alpha[i]!);
    }
    for (let d = 0; d < size; d++) {
      const choices = cardinality[d]!;
      const scale = this.relevance.variance[d]! / Math.max(1, choices - 1);
      const total = sumBetween(effects, offset[d]!, offset[d + 1]!);
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        effects[k] = scale * (choices * effects[k]! - total);
      }
    }
    // Parameters that do not exist were gathered there, too.
    effects[offset[size]!] = alpha.reduce((sum, weight) => sum + weight, 0);
    return effects;
  }
}

/**
 * What is expected of a parameter's variance before it is looked at: where its group has others, what the group as a
 * whole shows. A layer that its switch proves sensitive is one whose estimators and modes are worth trying.
 */
function groupVariances(
  { space }: EncodedSpace,
  squares: Float64Array,
  determined: Float64Array,
  share: number,
): Float64Array {
  const totals = new Map<string, { squares: number; determined: number; members: number }>();
  for (const [d, { group }] of space.entries()) {
    const total = totals.get(group) ?? { squares: 0, determined: 0, members: 0 };
    total.squares += squares[d]!;
    total.determined += determined[d]!;
    total.members += 1;
    totals.set(group, total);
  }
  return Float64Array.from(space, ({ group }) => {
    const total = totals.get(group)!;
    return total.members === 1
      ? share
      : (total.squares + GROUP_PRIOR_WEIGHT * share) / (total.determined + GROUP_PRIOR_WEIGHT);
  });
}

interface PairSums {
  /** Over the pairs that hold the same choice of a parameter. */
  readonly matching: Float64Array;
  /** Over the pairs that both have the parameter. */
  readonly shared: Float64Array;
  readonly trace: number;
}

/**
 * @param places of the observations' choices
 * @param packed lower triangle of a symmetric matrix over the observations
 */
function sumOverPairs(
  { size, offset }: EncodedSpace,
  places: readonly Int32Array[],
  packed: Float64Array,
): PairSums {
  const matching = new Float64Array(size);
  const shared = new Float64Array(size);
  const nowhere = offset[size]!;
  const gathered = new Float64Array(nowhere + 1);
  let trace = 0;
  for (const [i, own] of places.entries()) {
    const start = (i * (i + 1)) / 2;
    gathered.fill(0);
    for (let j = 0; j < i; j++) {
      addAt(gathered, places[j]!, 2 * packed[start + j]!);
    }
    const diagonal = packed[start + i]!;
    addAt(gathered, own, diagonal);
    trace += diagonal;
    for (let d = 0; d < size; d++) {
      if (own[d] !== nowhere) {
        matching[d]! += gathered[own[d]!]!;
        shared[d]! += sumBetween(gathered, offset[d]!, offset[d + 1]!);
      }
    }
  }
  return { matching, shared, trace };
}

/** Where the choices of a configuration stand in the row of all choices; behind its end where a parameter is inactive. */
function choicePlaces({ offset, size }: EncodedSpace, codes: Codes): Int32Array {
  return Int32Array.from(codes, (code, d) => (code < 0 ? offset[size]! : offset[d]! + code));
}

function sumAt(table: Float64Array, places: Int32Array): number {
  let sum = 0;
  for (let d = 0; d < places.length; d++) {
    sum += table[places[d]!]!;
  }
  return sum;
}

function addAt(table: Float64Array, places: Int32Array, value: number): void {
  for (let d = 0; d < places.length; d++) {
    table[places[d]!]! += value;
  }
}

function sumBetween(values: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let k = start; k < end; k++) {
    sum += values[k]!;
  }
  return sum;
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
