import { GrowingCholesky } from "../numerics/cholesky.js";
import { addScaled, combine, dot } from "../numerics/vectors.js";

/**
 * Number of rows (later trials) whose outcomes are folded into the stored mean at once. Each step rebuilds the
 * Cholesky factor of the later known rows; without folding, every mean would be a sum over all rows.
 */
const FOLD_STEP = 32;

/**
 * A trial added after the base (the trials that a model is fitted to), as a row of the model. The innovation of
 * a row is its outcome minus the prediction from the base and all earlier rows; here innovations are in units
 * of their standard deviations.
 */
export interface PosteriorRow {
  /** Change of the posterior mean effects per unit of the row's innovation. */
  readonly gain: Float64Array;
  /**
   * Coefficients of the row's outcome on the innovations of the rows up to and including this one (a Cholesky
   * row).
   */
  readonly coefficients: Float64Array;
  /** Standardized outcome that is predicted for the row from the base alone. */
  readonly predicted: number;
}

/**
 * Posterior mean of the effects given a base of observations and later rows (trials), some of whose outcomes
 * are known.
 *
 * Innovations of the leading known rows never change, so they are folded into the mean once, 32 at a time.
 * After them come known rows between running ones; their innovations are replaced by expected values, from the
 * covariance of the known outcomes given the folded rows.
 */
export class PosteriorMean {
  readonly #base: Float64Array;
  readonly #rows: PosteriorRow[] = [];
  /**
   * Number of the earliest rows (later trials) that are already summed into `#foldedMean`. The next two arrays hold, for
   * each of them, its standardized outcome and its innovation (outcome minus prediction, in standard deviations); they
   * may be longer than this number.
   */
  #folded = 0;
  #foldedOutcomes: Float64Array = new Float64Array(FOLD_STEP);
  #foldedInnovations: Float64Array = new Float64Array(FOLD_STEP);
  /** Posterior mean of the effects given the base and the folded rows (those summed into it). */
  #foldedMean: Float64Array;
  /**
   * Cholesky factor of the covariance of the known outcomes of the rows after the folded ones (which are summed
   * into the stored mean), given those.
   */
  readonly #observed = new GrowingCholesky();
  readonly #observedRows: number[] = [];
  #cached: { readonly outcomes: Float64Array; readonly mean: Float64Array } | undefined;

  /** @param base posterior mean of the effects given the base alone (the trials that the model was fitted to) */
  constructor(base: Float64Array) {
    this.#base = base;
    this.#foldedMean = base.slice();
  }

  get rows(): readonly PosteriorRow[] {
    return this.#rows;
  }

  append(row: PosteriorRow): void {
    this.#rows.push(row);
  }

  /** Removes all rows (later trials) from index `size` on. */
  truncate(size: number): void {
    this.#rows.length = size;
    // Rows appended later at the same indices are different observations.
    this.#unfold(Math.min(size, this.#folded));
    this.#keepObserved(this.#observedRows.filter((i) => i < size).length);
    this.#cached = undefined;
  }

  /**
   * Posterior mean of the effects given the base and the known outcomes of later rows (trials).
   *
   * @param outcomes standardized, one per row; NaN where unknown
   */
  given(outcomes: Float64Array): Float64Array {
    if (this.#cached !== undefined && sameKnown(this.#cached.outcomes, outcomes)) {
      return this.#cached.mean;
    }
    const coefficients = this.#expectedInnovations(outcomes);
    const mean = combine(
      coefficients.subarray(this.#folded),
      this.#rows.slice(this.#folded).map(({ gain }) => gain),
      this.#base.length,
    );
    addScaled(mean, 1, this.#foldedMean);
    this.#cached = { outcomes: outcomes.slice(), mean };
    return mean;
  }

  /**
   * Predicted standardized outcome of each row (later trial) given the known outcomes; `outcomes` as in {@link
   * given}.
   */
  predict(outcomes: Float64Array): Float64Array {
    const expected = this.#expectedInnovations(outcomes);
    return Float64Array.from(
      this.#rows,
      ({ coefficients, predicted }, i) =>
        predicted + dot(coefficients, 0, expected, 0, Math.min(i + 1, expected.length)),
    );
  }

  /**
   * Expected innovation (outcome minus prediction, in standard deviations), given the known outcomes, of each
   * row up to the last known one.
   */
  #expectedInnovations(outcomes: Float64Array): Float64Array {
    this.#fold(outcomes);
    const folded = this.#folded;
    const observed: number[] = [];
    for (let i = folded; i < this.#rows.length; i++) {
      if (!Number.isNaN(outcomes[i]!)) {
        observed.push(i);
      }
    }
    this.#observe(observed);
    const weights = this.#observed.solve(observed.map((i) => this.#residual(i, outcomes[i]!)));
    const expected = new Float64Array((observed.at(-1) ?? folded - 1) + 1);
    expected.set(this.#foldedInnovations.subarray(0, folded));
    for (const [a, i] of observed.entries()) {
      const own = this.#rows[i]!.coefficients;
      for (let q = folded; q <= i; q++) {
        expected[q]! += weights[a]! * own[q]!;
      }
    }
    return expected;
  }

  /** A row's outcome minus its prediction from the base and the folded rows before it. */
  #residual(row: number, outcome: number): number {
    const { coefficients, predicted } = this.#rows[row]!;
    return (
      outcome - predicted - dot(coefficients, 0, this.#foldedInnovations, 0, Math.min(row, this.#folded))
    );
  }

  /**
   * Folds the leading rows with known outcomes into the mean, in steps, after undoing folded rows whose
   * outcomes changed.
   */
  #fold(outcomes: Float64Array): void {
    let known = 0;
    while (known < this.#rows.length && !Number.isNaN(outcomes[known]!)) {
      known++;
    }
    const target = known - (known % FOLD_STEP);
    let same = 0;
    while (same < Math.min(target, this.#folded) && outcomes[same] === this.#foldedOutcomes[same]) {
      same++;
    }
    this.#unfold(same);
    if (target > this.#folded) {
      this.#keepObserved(0);
    }
    while (this.#folded < target) {
      const row = this.#folded;
      const { gain, coefficients } = this.#rows[row]!;
      this.#foldedInnovations = withRoom(this.#foldedInnovations, row);
      this.#foldedOutcomes = withRoom(this.#foldedOutcomes, row);
      this.#foldedInnovations[row] = this.#residual(row, outcomes[row]!) / coefficients[row]!;
      this.#foldedOutcomes[row] = outcomes[row]!;
      addScaled(this.#foldedMean, this.#foldedInnovations[row]!, gain);
      this.#folded = row + 1;
    }
  }

  /** Resets the folded mean to that of the first `size` folded rows. */
  #unfold(size: number): void {
    if (size === this.#folded) {
      return;
    }
    this.#folded = size;
    this.#foldedMean = this.#base.slice();
    for (let i = 0; i < size; i++) {
      addScaled(this.#foldedMean, this.#foldedInnovations[i]!, this.#rows[i]!.gain);
    }
    this.#keepObserved(0);
  }

  /**
   * Makes `#observed` the Cholesky factor of these rows' outcomes (given the folded rows), reusing its
   * unchanged leading rows.
   */
  #observe(rows: readonly number[]): void {
    let kept = 0;
    while (kept < this.#observedRows.length && this.#observedRows[kept] === rows[kept]) {
      kept++;
    }
    this.#keepObserved(kept);
    const folded = this.#folded;
    for (const i of rows.slice(kept)) {
      this.#observedRows.push(i);
      const own = this.#rows[i]!.coefficients;
      this.#observed.append(
        this.#observedRows.map((q) => dot(own, folded, this.#rows[q]!.coefficients, folded, q + 1 - folded)),
      );
    }
  }

  #keepObserved(count: number): void {
    this.#observed.truncate(count);
    this.#observedRows.length = Math.min(count, this.#observedRows.length);
  }
}

function withRoom(values: Float64Array, index: number): Float64Array {
  if (index < values.length) {
    return values;
  }
  const grown = new Float64Array(2 * values.length);
  grown.set(values);
  return grown;
}

/** Whether two arrays hold the same known outcomes (NaN: unknown); trailing unknown ones are ignored. */
function sameKnown(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    if (left !== right && !(Number.isNaN(left) && Number.isNaN(right))) {
      return false;
    }
  }
  return true;
}
