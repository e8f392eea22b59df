import { type Codes, codesKey, type EncodedSpace } from "./encoding.js";
import { reverse, singleReversals } from "./reversal.js";
import type { TrialLedger } from "./trial-ledger.js";

/**
 * How many of the most sensitive groups must leave the base's choice for the accuracy bound to be met: found by
 * doubling their number until it is met, then by bisection between the last two, so in about 2 log2(groups) trials. What
 * greedy layer reversal finds after one trial a group, this finds from the sensitivity that the statistics brought.
 */
export class RankedReversals {
  readonly #configurations: readonly Codes[];
  readonly #keys: readonly string[];

  /** @param center that misses the bound */
  constructor(encoded: EncodedSpace, center: Codes, sensitivity: Readonly<Record<string, number>>) {
    const ranked = singleReversals(encoded, center, sensitivity).filter(
      ({ group }) => sensitivity[group] !== undefined,
    );
    const configurations = [center];
    for (const { parameter } of ranked) {
      configurations.push(reverse(encoded, configurations.at(-1)!, parameter));
    }
    this.#configurations = configurations;
    this.#keys = configurations.map(codesKey);
  }

  /** The next number of groups to try; `undefined` when it is found, or depends on trials that still run. */
  next(ledger: TrialLedger): Codes | undefined {
    const most = this.#configurations.length - 1;
    let feasible: number | undefined;
    let infeasible = 0;
    for (const [count, key] of this.#keys.entries()) {
      const trial = ledger.find(key)?.trial;
      if (trial === undefined) {
        continue;
      }
      if (trial.state !== "failed" && trial.violation === 0) {
        feasible = count;
        break;
      }
      infeasible = count;
    }
    if (feasible !== undefined) {
      return feasible - infeasible > 1 ? this.#unused(ledger, (infeasible + feasible) >> 1) : undefined;
    }
    // All groups together would be the float model.
    for (let count = 1; count < most; count *= 2) {
      const codes = this.#unused(ledger, count);
      if (codes !== undefined) {
        return codes;
      }
    }
    return undefined;
  }

  #unused(ledger: TrialLedger, count: number): Codes | undefined {
    return ledger.has(this.#keys[count]!) ? undefined : this.#configurations[count];
  }
}
