import { AdditiveEvidence, type DrawnEffects } from "./additive-evidence.js";
import { sumEffects } from "./effects-model.js";
import type { Codes } from "./encoding.js";
import type { RandomStream } from "./random.js";
import type { TrialLedger } from "./trial-ledger.js";

/** A missed bound costs this many standard deviations of the value for one of the violation. */
const VIOLATION_PENALTY = 10;
/**
 * The expected miss is taken over so many full draws from the posterior. The mean alone would let a candidate with
 * many untried switches pass as feasible.
 */
const VIOLATION_DRAWS = 2;

/**
 * Exchange rates between violation and value at which configurations are sought: each picks another trade of cost
 * against feasibility, as Lagrange multipliers do.
 */
const EXCHANGE_RATES: readonly number[] = [0, 0.1, 0.3, 1, 3, 10];

/** One draw of the additive evidence on value and violation together; larger is better. */
export interface DrawnEvidence {
  /** The evidence, linear at each exchange rate: one number a choice, all choices in one row. */
  readonly tilts: readonly Float64Array[];
  /** The evidence on a whole configuration, the violation counting only where the bound is missed. */
  score(codes: Codes): number;
}

/**
 * The evidence on everything that a trial is judged by: its values, and the violation once a trial missed the
 * bound. A feasible trial's violation is only known to be at most 0.
 */
export class TrialEvidence {
  readonly #ledger: TrialLedger;
  readonly #values: AdditiveEvidence[] = [];
  readonly #violation: AdditiveEvidence;
  #objectives = 1;
  #constrained = false;

  constructor(ledger: TrialLedger) {
    this.#ledger = ledger;
    this.#violation = new AdditiveEvidence(ledger, { of: ({ violation }) => violation, censoredAt: 0 });
  }

  /** Takes note of what finished trials bring; call it once for each. */
  note({ values, violation }: { readonly values: readonly number[]; readonly violation: number }): void {
    this.#objectives = Math.max(this.#objectives, values.length);
    this.#constrained ||= violation > 0;
  }

  /**
   * @param weight nats a standard deviation of a value
   * @param temperature 0 for the mean, 1 for a draw from the posterior
   */
  draw(random: RandomStream, weight: number, temperature: number, running: readonly Codes[]): DrawnEvidence {
    const { encoded } = this.#ledger;
    while (this.#values.length < this.#objectives) {
      const objective = this.#values.length;
      this.#values.push(new AdditiveEvidence(this.#ledger, { of: ({ values }) => values[objective] }));
    }
    const shares = this.#drawShares(random);
    const value = new Float64Array(encoded.offset[encoded.size]! + 1);
    for (const [objective, evidence] of this.#values.entries()) {
      const { effects } = evidence.draw(random, temperature, running);
      for (let k = 0; k < value.length; k++) {
        value[k]! -= weight * shares[objective]! * effects[k]!;
      }
    }
    if (!this.#constrained) {
      return { tilts: [value], score: (codes) => sumEffects(encoded, value, codes) };
    }
    const violation = this.#violation.mean();
    const draws = Array.from({ length: VIOLATION_DRAWS }, () => this.#violation.draw(random, 1, running));
    return {
      tilts: EXCHANGE_RATES.map((rate) => value.map((v, k) => v - weight * rate * violation.effects[k]!)),
      score: (codes) => {
        const missed = draws.reduce(
          (sum, draw) => sum + missedBound(sumEffects(encoded, draw.effects, codes), draw),
          0,
        );
        return sumEffects(encoded, value, codes) - (weight * VIOLATION_PENALTY * missed) / VIOLATION_DRAWS;
      },
    };
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

/** By how many of its scales the foretold violation lies above 0. */
function missedBound(foretold: number, { location, scale }: DrawnEffects): number {
  return Math.max(0, foretold + location / scale);
}
