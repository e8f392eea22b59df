import type { Nearness } from "../kernels/near-candidates.js";
import { logSumExp } from "../numerics/log-domain.js";
import { logExpectedImprovement, logNormalCdf } from "../numerics/normal.js";
import type { RandomStream } from "../numerics/random.js";
import { addScaled } from "../numerics/vectors.js";
import type { Codes } from "../space/encoding.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";
import { AdditiveEvidence } from "./additive-evidence.js";
import { cachedChoiceIndices, choiceIndices, sumEffects } from "./effects-model.js";
import { EvidenceRows } from "./evidence-rows.js";

/**
 * Number of posterior draws over which the probability that a candidate meets the accuracy bound is averaged.
 * With the mean effects alone, a candidate with many untried choices could pass as feasible.
 */
const FEASIBILITY_DRAWS = 8;
/** Number of best trials among which the incumbents (feasible complete trials to improve on) are searched. */
const INCUMBENTS = 25;

/**
 * Weights of the accuracy constraint relative to the value (cost), for each of which candidates are generated.
 * Like Lagrange multipliers, each gives a different trade-off of cost against feasibility.
 */
const EXCHANGE_RATES: readonly number[] = [0, 0.1, 0.3, 1, 3, 10];

/** Additive effects of the choices on a weighted sum of the objectives, each in units of its standard deviation. */
interface DrawnValue {
  readonly effects: Float64Array;
  readonly noise: number;
  /** The weighted sum of the objective values that a trial measured. */
  of(trial: FinishedTrial): number;
}

/**
 * One draw of the evidence for configurations, from additive models of their values and accuracy constraint; in
 * nats, larger is better.
 */
export interface DrawnEvidence {
  /**
   * For each exchange rate (weight of the constraint) the evidence of each choice, the choices of all
   * parameters concatenated; a configuration's evidence is the sum over its choices.
   */
  readonly choiceEvidence: readonly Float64Array[];
  /** The evidence, in nats, for a whole configuration; `near` relates it to the trial from which it was derived. */
  score(codes: Codes, near?: Nearness): number;
  /** Whether the score includes accuracy besides the values. */
  readonly isConstrained: boolean;
}

/**
 * Additive models of everything that trials are compared by: their values and, once a trial missed the accuracy
 * bound, the constraint. The constraint's model predicts the accuracy loss where trials report it; otherwise
 * the violation, which is censored at 0 for feasible trials.
 */
export class TrialEvidence {
  readonly #ledger: TrialLedger;
  readonly #rows: EvidenceRows;
  readonly #values: AdditiveEvidence[] = [];
  readonly #accuracyLoss: AdditiveEvidence;
  readonly #violation: AdditiveEvidence;
  #objectives = 1;
  #lossesKnown = true;
  /**
   * The trial of the lowest number that misses the accuracy bound; the bound is computed from its loss and
   * violation.
   */
  #infeasible: FinishedTrial | undefined;

  readonly #seed: number;

  constructor(ledger: TrialLedger, seed: number) {
    this.#ledger = ledger;
    this.#rows = new EvidenceRows(ledger);
    this.#seed = seed;
    this.#accuracyLoss = new AdditiveEvidence(
      this.#rows,
      {
        of: ({ accuracyLoss }) => accuracyLoss,
        // Such a trial was mostly stopped at the first look (interim check) for its cost, so its loss rests on
        // a few samples.
        estimated: ({ state, violation }) => state === "pruned" && violation === 0,
      },
      seed - 1,
    );
    this.#violation = new AdditiveEvidence(
      this.#rows,
      { of: ({ violation }) => violation, censoredAt: 0 },
      seed - 1,
    );
  }

  /** Updates the number of objectives and the accuracy bound from a finished trial; call it once per trial. */
  add(trial: FinishedTrial): void {
    if (trial.state === "failed") {
      return;
    }
    this.#objectives = Math.max(this.#objectives, trial.values.length);
    this.#lossesKnown &&= trial.accuracyLoss !== undefined;
    const first = this.#infeasible === undefined || trial.number < this.#infeasible.number;
    if (trial.violation > 0 && first) {
      this.#infeasible = trial;
    }
  }

  /**
   * Draws the evidence for one ask (proposal of a trial).
   *
   * @param weight nats per standard deviation of a value
   * @param temperature 0 for the mean, 1 for a draw from the posterior
   */
  draw(random: RandomStream, weight: number, temperature: number): DrawnEvidence {
    const { encoded } = this.#ledger;
    const indices = new Int32Array(encoded.size);
    const indicesOf = (codes: Codes): Int32Array => choiceIndices(encoded, codes, indices);
    const value = this.#drawValue(random, temperature);
    const valueEvidence = value.effects.map((effect) => -weight * effect);
    const leader = this.#leader();
    const constraint = this.#constraint(leader);
    if (constraint === undefined) {
      return {
        choiceEvidence: [valueEvidence],
        score: (codes) => sumEffects(valueEvidence, indicesOf(codes)),
        isConstrained: false,
      };
    }
    const { evidence, bound } = constraint;
    evidence.update();
    const mean = evidence.mean();
    const draws = evidence.sample(random, FEASIBILITY_DRAWS);
    const standardized = (loss: number): number => (loss - mean.location) / mean.scale;
    /** The part of a trial's standardized accuracy loss that the effects do not explain. */
    const remainder = ({ codes, trial }: LedgerEntry): number =>
      standardized(trial.accuracyLoss!) - sumEffects(mean.effects, cachedChoiceIndices(encoded, codes));
    const isNearnessKnown = evidence === this.#accuracyLoss;
    const deviation = Math.sqrt(mean.noise);
    const terms = new Float64Array(draws.length);
    const logWithin = (limit: number, chosen: Int32Array, near: Nearness | undefined): number => {
      const known = isNearnessKnown ? near : undefined;
      const expected = known === undefined ? 0 : known.correlation * remainder(known.entry);
      const width = deviation * Math.sqrt(1 - (known?.correlation ?? 0) ** 2);
      const room = standardized(limit) - expected - sumEffects(mean.effects, chosen);
      for (let i = 0; i < terms.length; i++) {
        const { effects, sign } = draws[i]!;
        terms[i] = logNormalCdf((room - sign * sumEffects(effects, chosen)) / width);
      }
      return logSumExp(terms) - Math.log(terms.length);
    };
    const incumbents = this.#incumbents();
    const least = Math.min(...incumbents.map(({ trial }) => value.of(trial)));
    const leastPredicted = Math.min(
      ...incumbents.map(({ codes }) => sumEffects(value.effects, cachedChoiceIndices(encoded, codes))),
    );
    const valueDeviation = Math.sqrt(value.noise);
    return {
      choiceEvidence: EXCHANGE_RATES.map((rate) => {
        const exchanged = valueEvidence.slice();
        addScaled(exchanged, -weight * rate, mean.effects);
        return exchanged;
      }),
      score: (codes, near) => {
        const chosen = indicesOf(codes);
        if (incumbents.length === 0) {
          return weight * logWithin(bound, chosen, near);
        }
        // With the same groups in float the cost equals the measured one; a draw would only add noise.
        const improvement = near?.sameSwitches
          ? least - value.of(near.entry.trial)
          : leastPredicted - sumEffects(value.effects, chosen);
        const deviations = improvement / valueDeviation;
        // A candidate whose value only equals the leader's must be more accurate than the leader.
        const isEqual = leader !== undefined && deviations < 1;
        const limit = isEqual ? Math.min(bound, leader.accuracyLoss!) : bound;
        return weight * (logExpectedImprovement(deviations) + logWithin(limit, chosen, near));
      },
      isConstrained: true,
    };
  }

  /** The best complete trials that meet the accuracy bound; while there are none, only feasibility is scored. */
  #incumbents(): readonly LedgerEntry[] {
    return this.#ledger.ranked
      .slice(0, INCUMBENTS)
      .filter(({ trial }) => trial.state === "complete" && trial.violation === 0);
  }

  /**
   * The model of the accuracy constraint and its bound; `undefined` where neither the bound nor a tie makes
   * accuracy matter.
   */
  #constraint(leader: FinishedTrial | undefined): { evidence: AdditiveEvidence; bound: number } | undefined {
    if (this.#infeasible === undefined) {
      return leader && { evidence: this.#accuracyLoss, bound: Number.POSITIVE_INFINITY };
    }
    const { accuracyLoss, violation } = this.#infeasible;
    return this.#lossesKnown && accuracyLoss !== undefined
      ? { evidence: this.#accuracyLoss, bound: accuracyLoss - violation }
      : { evidence: this.#violation, bound: 0 };
  }

  /**
   * The best feasible trial if others have the same value, so that accuracy breaks the tie; otherwise
   * `undefined`.
   */
  #leader(): FinishedTrial | undefined {
    const [first, ...others] = this.#ledger.ranked.slice(0, INCUMBENTS).map(({ trial }) => trial);
    if (!this.#lossesKnown || first?.state !== "complete" || first.violation > 0) {
      return undefined;
    }
    const [value, second] = first.values;
    return second === undefined && others.some(({ values }) => values[0] === value) ? first : undefined;
  }

  #drawValue(random: RandomStream, temperature: number): DrawnValue {
    while (this.#values.length < this.#objectives) {
      const objective = this.#values.length;
      this.#values.push(
        new AdditiveEvidence(this.#rows, { of: ({ values }) => values[objective] }, this.#seed + objective),
      );
    }
    const shares = this.#drawShares(random);
    const { encoded } = this.#ledger;
    const mixed = new Float64Array(encoded.offset[encoded.size]! + 1);
    let noise = 0;
    const units: { readonly location: number; readonly perUnit: number }[] = [];
    for (const [objective, evidence] of this.#values.entries()) {
      evidence.update();
      const mean = evidence.mean();
      const share = shares[objective]!;
      noise += share * share * mean.noise;
      units.push({ location: mean.location, perUnit: share / mean.scale });
      addScaled(mixed, share, mean.effects);
      if (temperature > 0) {
        addScaled(mixed, share, evidence.deviation(random, temperature));
      }
    }
    const of = ({ values }: FinishedTrial): number =>
      units.reduce((sum, { location, perUnit }, i) => sum + perUnit * (values[i]! - location), 0);
    return { effects: mixed, noise, of };
  }

  /** Random weights of the objectives, uniform on the simplex, so that proposals spread along the Pareto front. */
  #drawShares(random: RandomStream): number[] {
    if (this.#values.length === 1) {
      return [1];
    }
    const exponentials = this.#values.map(() => -Math.log(1 - random.uniform()));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return exponentials.map((value) => value / total);
  }
}
