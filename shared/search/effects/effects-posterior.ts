import type { RandomStream } from "../numerics/random.js";
import type { Work } from "../numerics/spread-work.js";
import { addScaled, combine, dot } from "../numerics/vectors.js";
import type { Codes } from "../space/encoding.js";
import { type EffectsModel, sumEffects } from "./effects-model.js";
import { multiplyChoices, ordinalCovariances } from "./ordinal-covariance.js";
import { PosteriorMean } from "./posterior-mean.js";

/** A configuration behind the base of a model, whose outcome may be known or not. */
export interface PendingRow {
  readonly number: number;
  readonly codes: Codes;
}

/** A draw from the posterior, times its sign. */
export interface SignedDraw {
  readonly effects: Float64Array;
  readonly sign: 1 | -1;
}

/**
 * Draws from the posterior of the effects, without their mean: a draw from the prior, corrected by what it would have
 * foretold for the observations (Matheron's rule).
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
    const foretold = Float64Array.from(
      model.places,
      (places) => -sumEffects(draw, places) - noise * random.normal(),
    );
    addScaled(draw, 1, model.effects(foretold));
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
 * The posterior of the effects given a base of observations, and behind it rows that come and end one by one.
 *
 * Its width does not depend on outcomes, so that a row counts for it from the moment that it is asked for, and keeps its
 * place when its outcome becomes known. A fixed number of draws is kept up to date: each row corrects all of them by
 * its gain (the ensemble form of a Kalman filter, Evensen 2003), which costs no more for ten draws than for one. A
 * combination of independent draws whose weights have the length one is a draw again.
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
  /** What each row changed about each draw, in units of its gain. */
  readonly #corrections: Float64Array[] = [];

  /**
   * @param model of the base; the posterior goes on with it
   * @param baseMean mean effects given the base alone
   * @param deviations draws from that posterior without their mean
   * @param noiseOf random numbers of a row, by its number
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

  /** What another row costs, roughly. */
  get operationsPerRow(): number {
    const { encoded, size } = this.#model;
    return size * (2 * encoded.size + size) + 2 * this.#draws.length * encoded.offset[encoded.size]!;
  }

  /**
   * Takes the rows as those behind the base; what it shares with the rows before is kept.
   *
   * @param most rows to add now; the rest is left for another call
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
   * Mean effects given the base and the rows whose outcome is known.
   *
   * @param outcomes standardized, one a row; NaN where it is not known
   */
  mean(outcomes: Float64Array): Float64Array {
    return this.#mean.given(outcomes);
  }

  /** What is expected of each row given the outcomes that are known; `outcomes` as in {@link mean}. */
  foretell(outcomes: Float64Array): Float64Array {
    return this.#mean.foretell(outcomes);
  }

  /** What the base alone makes one expect of a row. */
  foretoldByBase(row: number): number {
    return this.#mean.rows[row]!.foretold;
  }

  /** A draw from the posterior without its mean, times `temperature`. */
  deviation(random: RandomStream, temperature: number): Float64Array {
    const weights = Float64Array.from(this.#draws, () => random.normal());
    const scale = temperature / Math.sqrt(dot(weights, 0, weights, 0, weights.length));
    return combine(
      weights.map((weight) => scale * weight),
      this.#draws,
      this.#baseMean.length,
    );
  }

  /** Draws from the posterior without their mean: some of those that are kept, each or its opposite. */
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
    const places = model.places[at]!;
    const gain = model.lastGain();
    const pivot = model.factor.pivot(at);
    const noise = Math.sqrt(model.relevance.noise);
    const random = this.#noiseOf(row.number);
    const corrections = new Float64Array(this.#draws.length);
    for (const [s, draw] of this.#draws.entries()) {
      corrections[s] = (-sumEffects(draw, places) - noise * random.normal()) / pivot;
      addScaled(draw, corrections[s]!, gain);
    }
    this.#rows.push(row);
    this.#corrections.push(corrections);
    const news = model.factor.row(at, this.#base);
    this.#mean.append({ gain, news, foretold: sumEffects(this.#baseMean, places) });
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
