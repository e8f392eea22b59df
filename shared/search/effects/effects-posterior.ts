import type { Work } from "../numerics/incremental-work.js";
import type { RandomStream } from "../numerics/random.js";
import { addScaled, combine, dot } from "../numerics/vectors.js";
import type { Codes } from "../space/encoding.js";
import { type EffectsModel, sumEffects } from "./effects-model.js";
import { multiplyChoices, ordinalCovariances } from "./ordinal-covariance.js";
import { PosteriorMean } from "./posterior-mean.js";

/** A trial, finished or running, that was added after the base (the trials that the model was fitted to). */
export interface PendingRow {
  readonly number: number;
  readonly codes: Codes;
}

/**
 * A posterior draw of the effects, as a deviation from their mean, and a random sign; the caller multiplies
 * (deviations are symmetric, so each draw serves twice).
 */
export interface SignedDraw {
  readonly effects: Float64Array;
  readonly sign: 1 | -1;
}

/**
 * Draws deviations of the effects from their posterior mean, by Matheron's rule: a draw from the prior minus
 * its posterior mean given outcomes simulated from it.
 */
export function* drawDeviations(
  model: EffectsModel,
  random: RandomStream,
  count: number,
): Work<Float64Array[]> {
  const deviations: Float64Array[] = [];
  while (deviations.length < count) {
    const draw = drawPrior(model, random);
    const noise = Math.sqrt(model.relevance.noise);
    const predicted = Float64Array.from(
      model.indices,
      (indices) => -sumEffects(draw, indices) - noise * random.normal(),
    );
    addScaled(draw, 1, model.effects(predicted));
    deviations.push(draw);
    yield 2 * model.size * (model.encoded.size + model.size);
  }
  return deviations;
}

function drawPrior({ encoded, relevance }: EffectsModel, random: RandomStream): Float64Array {
  const { offset, cardinality, size } = encoded;
  const ordinal = ordinalCovariances(encoded);
  const draw = new Float64Array(offset[size]! + 1);
  for (let d = 0; d < size; d++) {
    const choices = cardinality[d]!;
    const covariance = ordinal[d];
    if (covariance !== undefined) {
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        draw[k] = random.normal();
      }
      multiplyChoices(covariance.root, Math.sqrt(relevance.variance[d]!), draw, offset[d]!, choices);
      continue;
    }
    const scale = Math.sqrt((relevance.variance[d]! * choices) / Math.max(1, choices - 1));
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
  return draw;
}

/**
 * The posterior of the effects given a fixed base of observations and rows (trials) that are added one by
 * one.
 *
 * The posterior covariance does not depend on outcomes, so a row is added when its trial starts and stays
 * when its outcome becomes known. A fixed number of draws is kept up to date: each new row updates every draw
 * by its gain, as in an ensemble Kalman filter (Evensen 2003); computing the gain dominates the cost. A
 * linear combination of independent draws whose weights have unit length is a draw again.
 */
export class EffectsPosterior {
  readonly #model: EffectsModel;
  readonly #base: number;
  readonly #baseMean: Float64Array;
  readonly #baseDraws: readonly Float64Array[];
  readonly #noiseOf: (row: number) => RandomStream;
  #draws: readonly Float64Array[];
  readonly #rows: PendingRow[] = [];
  readonly #mean: PosteriorMean;
  /** For each row (later trial) its correction of each kept draw, as a multiple of the row's gain. */
  readonly #corrections: Float64Array[] = [];

  /**
   * @param model model with the base's observations; the posterior appends its rows (later trials) to it
   * @param baseMean posterior mean of the effects given the base alone
   * @param deviations draws given the base alone, as deviations from `baseMean`
   * @param noiseOf random stream of a row (later trial), by its trial number
   */
  constructor(
    model: EffectsModel,
    baseMean: Float64Array,
    deviations: readonly Float64Array[],
    noiseOf: (row: number) => RandomStream,
  ) {
    this.#model = model;
    this.#base = model.size;
    this.#baseMean = baseMean;
    this.#mean = new PosteriorMean(baseMean);
    this.#baseDraws = deviations;
    this.#draws = deviations.map((draw) => draw.slice());
    this.#noiseOf = noiseOf;
  }

  get noise(): number {
    return this.#model.relevance.noise;
  }

  /** Approximate number of arithmetic operations for adding a row (later trial). */
  get operationsPerRow(): number {
    const { encoded, size } = this.#model;
    return size * (2 * encoded.size + size) + 2 * this.#draws.length * encoded.offset[encoded.size]!;
  }

  /**
   * Sets the rows (trials after the base) that the posterior is conditioned on; work for the leading rows that
   * are unchanged is kept.
   *
   * @param most largest number of rows to add in this call; the rest is left for another call
   */
  condition(rows: readonly PendingRow[], most = Number.POSITIVE_INFINITY): void {
    let kept = 0;
    while (kept < this.#rows.length && rows[kept]?.codes === this.#rows[kept]!.codes) {
      kept++;
    }
    if (kept < this.#rows.length) {
      this.#forget(kept);
    }
    for (const row of rows.slice(kept, kept + most)) {
      this.#add(row);
    }
  }

  /**
   * Posterior mean of the effects, given the base and those rows (later trials) whose outcomes are known.
   *
   * @param outcomes standardized, one per row; NaN where unknown
   */
  mean(outcomes: Float64Array): Float64Array {
    return this.#mean.given(outcomes);
  }

  /**
   * Predicted standardized outcome of each row (later trial) given the known outcomes; `outcomes` as in {@link
   * mean}.
   */
  predict(outcomes: Float64Array): Float64Array {
    return this.#mean.predict(outcomes);
  }

  /** Predicted standardized outcome of a row (later trial), given the base observations alone. */
  predictedByBase(row: number): number {
    return this.#mean.rows[row]!.predicted;
  }

  /**
   * A new posterior draw of the effects, as its deviation from the mean, times `temperature`: a random
   * combination of the kept draws.
   */
  deviation(random: RandomStream, temperature: number): Float64Array {
    const weights = Float64Array.from(this.#draws, () => random.normal());
    const scale = temperature / Math.sqrt(dot(weights, 0, weights, 0, weights.length));
    return combine(
      weights.map((weight) => scale * weight),
      this.#draws,
      this.#baseMean.length,
    );
  }

  /** At most `count` of the kept posterior draws (deviations from the mean) at random, each with a random sign. */
  sample(random: RandomStream, count: number): readonly SignedDraw[] {
    const left = [...this.#draws];
    return Array.from({ length: Math.min(count, left.length) }, () => {
      const [effects] = left.splice(random.below(left.length), 1);
      return { effects: effects!, sign: random.below(2) === 0 ? 1 : -1 };
    });
  }

  #add(row: PendingRow): void {
    const model = this.#model;
    const at = model.size;
    model.append(row.codes);
    const indices = model.indices[at]!;
    const gain = model.lastGain();
    const pivot = model.factor.pivot(at);
    const noise = Math.sqrt(model.relevance.noise);
    const random = this.#noiseOf(row.number);
    const corrections = new Float64Array(this.#draws.length);
    for (const [s, draw] of this.#draws.entries()) {
      corrections[s] = (-sumEffects(draw, indices) - noise * random.normal()) / pivot;
      addScaled(draw, corrections[s]!, gain);
    }
    this.#rows.push(row);
    this.#corrections.push(corrections);
    const coefficients = model.factor.row(at, this.#base);
    this.#mean.append({ gain, coefficients, predicted: sumEffects(this.#baseMean, indices) });
  }

  #forget(kept: number): void {
    this.#model.truncate(this.#base + kept);
    this.#mean.truncate(kept);
    this.#rows.length = kept;
    this.#corrections.length = kept;
    this.#draws = this.#baseDraws.map((base, s) => {
      const draw = base.slice();
      for (const [i, { gain }] of this.#mean.rows.entries()) {
        addScaled(draw, this.#corrections[i]![s]!, gain);
      }
      return draw;
    });
  }
}
