import { GrowingCholesky } from "../numerics/cholesky.js";
import { addScaled, combine, dot } from "../numerics/vectors.js";

/**
 * Rows are settled so many at once: with each step the factor of the known rows behind them is built anew, and without
 * settling a mean would go over all rows.
 */
const SETTLED_STEP = 32;

/** A row behind the base of a model, as the others before it leave it. */
export interface PosteriorRow {
  /** What a standard deviation of the row's own news does to the effects. */
  readonly gain: Float64Array;
  /** The row of the model's factor from the base on: what makes up its outcome, in units of each row's news. */
  readonly news: Float64Array;
  /** What the base foretells for it. */
  readonly foretold: number;
}

/**
 * Mean effects given a base of observations, and behind it rows of which some outcomes are known.
 *
 * The news of the first rows up to one that is not known follow one from the other and stay as they are; they are summed up
 * once. Behind them stand known rows among others that still run: there news are expected, by the covariance of the known
 * ones given all that is settled.
 */
export class PosteriorMean {
  readonly #base: Float64Array;
  readonly #rows: PosteriorRow[] = [];
  /** Outcomes and news of the settled rows; the arrays have room for more. */
  #settled = 0;
  #settledOutcomes: Float64Array = new Float64Array(SETTLED_STEP);
  #settledNews: Float64Array = new Float64Array(SETTLED_STEP);
  /** Given the base and the settled rows. */
  #settledMean: Float64Array;
  /** Factor of the covariance of the known rows behind the settled ones, given those. */
  readonly #observed = new GrowingCholesky();
  readonly #observedRows: number[] = [];
  #known: { readonly outcomes: Float64Array; readonly mean: Float64Array } | undefined;

  /** @param base mean effects given the base alone */
  constructor(base: Float64Array) {
    this.#base = base;
    this.#settledMean = base.slice();
  }

  get rows(): readonly PosteriorRow[] {
    return this.#rows;
  }

  append(row: PosteriorRow): void {
    this.#rows.push(row);
  }

  /** Forgets all rows from `size` on. */
  truncate(size: number): void {
    this.#rows.length = size;
    // A row that comes to the place of another is not the one that was observed there.
    this.#unsettle(Math.min(size, this.#settled));
    this.#keepObserved(this.#observedRows.filter((i) => i < size).length);
    this.#known = undefined;
  }

  /** @param outcomes standardized, one a row; NaN where it is not known */
  given(outcomes: Float64Array): Float64Array {
    if (this.#known !== undefined && sameKnown(this.#known.outcomes, outcomes)) {
      return this.#known.mean;
    }
    const news = this.#expectedNews(outcomes);
    const mean = combine(
      news.subarray(this.#settled),
      this.#rows.slice(this.#settled).map(({ gain }) => gain),
      this.#base.length,
    );
    addScaled(mean, 1, this.#settledMean);
    this.#known = { outcomes: outcomes.slice(), mean };
    return mean;
  }

  /** What is expected of each row given the outcomes that are known; `outcomes` as in {@link given}. */
  foretell(outcomes: Float64Array): Float64Array {
    const expected = this.#expectedNews(outcomes);
    return Float64Array.from(
      this.#rows,
      ({ news, foretold }, i) => foretold + dot(news, 0, expected, 0, Math.min(i + 1, expected.length)),
    );
  }

  /** The news that the known outcomes make one expect of each row up to the last known one. */
  #expectedNews(outcomes: Float64Array): Float64Array {
    this.#settle(outcomes);
    const settled = this.#settled;
    const observed: number[] = [];
    for (let i = settled; i < this.#rows.length; i++) {
      if (!Number.isNaN(outcomes[i]!)) {
        observed.push(i);
      }
    }
    this.#observe(observed);
    const weights = this.#observed.solve(observed.map((i) => this.#surprise(i, outcomes[i]!)));
    const expected = new Float64Array((observed.at(-1) ?? settled - 1) + 1);
    expected.set(this.#settledNews.subarray(0, settled));
    for (const [a, i] of observed.entries()) {
      const own = this.#rows[i]!.news;
      for (let q = settled; q <= i; q++) {
        expected[q]! += weights[a]! * own[q]!;
      }
    }
    return expected;
  }

  /** What an outcome has beyond what the base and the settled rows before it foretell. */
  #surprise(row: number, outcome: number): number {
    const { news, foretold } = this.#rows[row]!;
    return outcome - foretold - dot(news, 0, this.#settledNews, 0, Math.min(row, this.#settled));
  }

  #settle(outcomes: Float64Array): void {
    let known = 0;
    while (known < this.#rows.length && !Number.isNaN(outcomes[known]!)) {
      known++;
    }
    const target = known - (known % SETTLED_STEP);
    let same = 0;
    while (same < Math.min(target, this.#settled) && outcomes[same] === this.#settledOutcomes[same]) {
      same++;
    }
    this.#unsettle(same);
    if (target > this.#settled) {
      this.#keepObserved(0);
    }
    while (this.#settled < target) {
      const row = this.#settled;
      const { gain, news } = this.#rows[row]!;
      this.#settledNews = withRoom(this.#settledNews, row);
      this.#settledOutcomes = withRoom(this.#settledOutcomes, row);
      this.#settledNews[row] = this.#surprise(row, outcomes[row]!) / news[row]!;
      this.#settledOutcomes[row] = outcomes[row]!;
      addScaled(this.#settledMean, this.#settledNews[row]!, gain);
      this.#settled = row + 1;
    }
  }

  #unsettle(size: number): void {
    if (size === this.#settled) {
      return;
    }
    this.#settled = size;
    this.#settledMean = this.#base.slice();
    for (let i = 0; i < size; i++) {
      addScaled(this.#settledMean, this.#settledNews[i]!, this.#rows[i]!.gain);
    }
    this.#keepObserved(0);
  }

  #observe(rows: readonly number[]): void {
    let kept = 0;
    while (kept < this.#observedRows.length && this.#observedRows[kept] === rows[kept]) {
      kept++;
    }
    this.#keepObserved(kept);
    const settled = this.#settled;
    for (const i of rows.slice(kept)) {
      this.#observedRows.push(i);
      const own = this.#rows[i]!.news;
      this.#observed.append(
        this.#observedRows.map((q) => dot(own, settled, this.#rows[q]!.news, settled, q + 1 - settled)),
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

/** Whether the same outcomes are known, whatever rows there are behind the last. */
function sameKnown(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN];
    if (left !== right && !(Number.isNaN(left) && Number.isNaN(right))) {
      return false;
    }
  }
  return true;
}
