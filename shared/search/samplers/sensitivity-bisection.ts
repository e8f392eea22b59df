import { type Codes, codesKey, type EncodedGroup, type EncodedSpace } from "../space/encoding.js";
import { restore, reverse, singleReversals } from "../space/group-toggle.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { TrialLedger } from "../trials/trial-ledger.js";

/**
 * How many of the most sensitive groups must leave the base's choice for the accuracy bound to be met: found by
 * doubling their number until it is met, then by bisection between the last two, so in about 2 log2(groups) trials. What
 * greedy layer reversal finds after one trial a group, this finds from the sensitivity that the statistics brought.
 */
export class RankedReversals {
  readonly #encoded: EncodedSpace;
  /** The most sensitive first. */
  readonly #groups: readonly EncodedGroup[];
  /** With the first none, one, two, ... of them reversed. */
  readonly #configurations: readonly Codes[];
  readonly #keys: readonly string[];

  /** @param center that misses the bound */
  constructor(encoded: EncodedSpace, center: Codes, sensitivity: Readonly<Record<string, number>>) {
    const ranked = singleReversals(encoded, center, sensitivity).filter(
      ({ group }) => sensitivity[group.name] !== undefined,
    );
    const configurations = [center];
    for (const { group } of ranked) {
      configurations.push(reverse(encoded, configurations.at(-1)!, group.switch));
    }
    this.#encoded = encoded;
    this.#groups = ranked.map(({ group }) => group);
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
      if (isFeasible(trial)) {
        feasible = count;
        break;
      }
      infeasible = count;
    }
    if (feasible !== undefined) {
      return feasible - infeasible > 1
        ? this.#unused(ledger, (infeasible + feasible) >> 1)
        : this.#pruned(ledger, feasible);
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

  /** Takes groups back one after another, the least sensitive first, wherever the bound is still met without. */
  #pruned(ledger: TrialLedger, count: number): Codes | undefined {
    let kept = this.#configurations[count]!;
    // The last was needed, or one less would have done.
    for (const group of this.#groups.slice(0, count - 1).reverse()) {
      const codes = restore(this.#encoded, kept, group, this.#configurations[0]!);
      const key = codesKey(codes);
      const trial = ledger.find(key)?.trial;
      if (trial === undefined) {
        return ledger.has(key) ? undefined : codes;
      }
      if (isFeasible(trial)) {
        kept = codes;
      }
    }
    return undefined;
  }

  #unused(ledger: TrialLedger, count: number): Codes | undefined {
    return ledger.has(this.#keys[count]!) ? undefined : this.#configurations[count];
  }
}

function isFeasible({ state, violation }: FinishedTrial): boolean {
  return state !== "failed" && violation === 0;
}
