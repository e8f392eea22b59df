import type { Nearness } from "../kernels/near-candidates.js";
import { logSumExp } from "../numerics/log-domain.js";
import { logExpectedImprovement, logNormalCdf } from "../numerics/normal.js";
import type { RandomStream } from "../numerics/random.js";
import { addScaled } from "../numerics/vectors.js";
import type { Codes } from "../space/encoding.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";
import { AdditiveEvidence } from "./additive-evidence.js";
import { choicePlaces, knownPlaces, sumEffects } from "./effects-model.js";
import { EvidenceRows } from "./evidence-rows.js";

/**
 * The probability of feasibility is taken over so many draws from the posterior. The mean alone would let a candidate
 * with many untried switches pass as feasible.
 */
const FEASIBILITY_DRAWS = 8;
/** The incumbent is sought among so many of the best trials. */
const INCUMBENTS = 25;

/**
 * Exchange rates between constraint and value at which configurations are sought: each picks another trade of cost
 * against feasibility, as Lagrange multipliers do.
 */
const EXCHANGE_RATES: readonly number[] = [0, 0.1, 0.3, 1, 3, 10];

/** A mixture of the objectives, in units of their standard deviations. */
interface DrawnValue {
  readonly effects: Float64Array;
  readonly noise: number;
  /** What a trial measured. */
  of(trial: FinishedTrial): number;
}

/** One draw of the additive evidence on value and constraint together; larger is better. */
export interface DrawnEvidence {
  /** The evidence, linear at each exchange rate: one number a choice, all choices in one row. */
  readonly tilts: readonly Float64Array[];
  /** The evidence on a whole configuration, in nats. */
  score(codes: Codes, near?: Nearness): number;
  /** Whether accuracy decides beside the values. */
  readonly isConstrained: boolean;
}

/**
 * The evidence on everything that a trial is judged by: its values, and the constraint once a trial missed the bound.
 * Where trials tell their accuracy loss, that is what is modelled; else the violation, of which a feasible trial only
 * tells that it is at most 0.
 */
export class TrialEvidence {
  readonly #ledger: TrialLedger;
  readonly #rows: EvidenceRows;
  readonly #values: AdditiveEvidence[] = [];
  readonly #accuracyLoss: AdditiveEvidence;
  readonly #violation: AdditiveEvidence;
  #objectives = 1;
  #lossesKnown = true;
  /** The first infeasible trial, from which the bound on the accuracy loss is known. */
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
        // Stopped for its size at the first look, most of the time: a few samples on which it looked feasible.
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

  /** Takes note of what a finished trial brings; call it once for each. */
  note(trial: FinishedTrial): void {
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
   * @param weight nats a standard deviation of a value
   * @param temperature 0 for the mean, 1 for a draw from the posterior
   */
  draw(random: RandomStream, weight: number, temperature: number): DrawnEvidence {
    const { encoded } = this.#ledger;
    const places = new Int32Array(encoded.size);
    const placesOf = (codes: Codes): Int32Array => choicePlaces(encoded, codes, places);
    const value = this.#drawValue(random, temperature);
    const tilt = value.effects.map((effect) => -weight * effect);
    const leader = this.#leader();
    const constraint = this.#constraint(leader);
    if (constraint === undefined) {
      return {
        tilts: [tilt],
        score: (codes) => sumEffects(tilt, placesOf(codes)),
        isConstrained: false,
      };
    }
    const { evidence, bound } = constraint;
    evidence.update();
    const mean = evidence.mean();
    const draws = evidence.sample(random, FEASIBILITY_DRAWS);
    const standardized = (loss: number): number => (loss - mean.location) / mean.scale;
    /** What the effects leave open of a trial's accuracy loss. */
    const remainder = ({ codes, trial }: LedgerEntry): number =>
      standardized(trial.accuracyLoss!) - sumEffects(mean.effects, knownPlaces(encoded, codes));
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
    const leastForetold = Math.min(
      ...incumbents.map(({ codes }) => sumEffects(value.effects, knownPlaces(encoded, codes))),
    );
    const valueDeviation = Math.sqrt(value.noise);
    return {
      tilts: EXCHANGE_RATES.map((rate) => {
        const exchanged = tilt.slice();
        addScaled(exchanged, -weight * rate, mean.effects);
        return exchanged;
      }),
      score: (codes, near) => {
        const chosen = placesOf(codes);
        if (incumbents.length === 0) {
          return weight * logWithin(bound, chosen, near);
        }
        // With the same groups left alone it costs what was measured; a draw would only add noise.
        const improvement = near?.sameSwitches
          ? least - value.of(near.entry.trial)
          : leastForetold - sumEffects(value.effects, chosen);
        const deviations = improvement / valueDeviation;
        // As good as the best by its value, it must be more accurate.
        const isEqual = leader !== undefined && deviations < 1;
        const limit = isEqual ? Math.min(bound, leader.accuracyLoss!) : bound;
        return weight * (logExpectedImprovement(deviations) + logWithin(limit, chosen, near));
      },
      isConstrained: true,
    };
  }

  /** The best feasible trials; until there is one, feasibility alone is sought. */
  #incumbents(): readonly LedgerEntry[] {
    return this.#ledger.ranked
      .slice(0, INCUMBENTS)
      .filter(({ trial }) => trial.state === "complete" && trial.violation === 0);
  }

  /** What is modelled beside the values; nothing where neither the bound nor the accuracy decides. */
  #constraint(leader: FinishedTrial | undefined): { evidence: AdditiveEvidence; bound: number } | undefined {
    if (this.#infeasible === undefined) {
      return leader && { evidence: this.#accuracyLoss, bound: Number.POSITIVE_INFINITY };
    }
    const { accuracyLoss, violation } = this.#infeasible;
    return this.#lossesKnown && accuracyLoss !== undefined
      ? { evidence: this.#accuracyLoss, bound: accuracyLoss - violation }
      : { evidence: this.#violation, bound: 0 };
  }

  /** The best feasible trial where others are as good but for their accuracy, which then decides. */
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

  /** How much each objective counts in this draw: uniform over all mixtures, so that asks spread along the front. */
  #drawShares(random: RandomStream): number[] {
    if (this.#values.length === 1) {
      return [1];
    }
    const exponentials = this.#values.map(() => -Math.log(1 - random.uniform()));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return exponentials.map((value) => value / total);
  }
}
