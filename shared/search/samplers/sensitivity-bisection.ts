import { type Codes, codesKey, type EncodedGroup, type EncodedSpace } from "../space/encoding.js";
import { groupToggles, restoreGroup, toggleParameter } from "../space/group-toggle.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { TrialLedger } from "../trials/trial-ledger.js";

/**
 * Finds how many of the most sensitive groups must be toggled (left in float) for the accuracy bound to be
 * met: their number is doubled until the bound is met, then bisected between the last two. That takes about 2
 * log2(groups) trials, where greedy layer removal takes one trial per group; in return the sensitivities must
 * be known.
 */
export class SensitivityBisection {
  readonly #encoded: EncodedSpace;
  /** Groups with a known sensitivity to quantization, the most sensitive first. */
  readonly #groups: readonly EncodedGroup[];
  /**
   * Configurations of the bisection: entry i is the centre with its i most sensitive groups toggled (left in
   * float).
   */
  readonly #configurations: readonly Codes[];
  readonly #keys: readonly string[];

  /**
   * @param center configuration that misses the accuracy bound
   * @param sensitivity a score per group name, larger for groups that lose more accuracy by quantization
   */
  constructor(encoded: EncodedSpace, center: Codes, sensitivity: Readonly<Record<string, number>>) {
    const ranked = groupToggles(encoded, center, sensitivity).filter(
      ({ group }) => sensitivity[group.name] !== undefined,
    );
    const configurations = [center];
    for (const { group } of ranked) {
      configurations.push(toggleParameter(encoded, configurations.at(-1)!, group.switch));
    }
    this.#encoded = encoded;
    this.#groups = ranked.map(({ group }) => group);
    this.#configurations = configurations;
    this.#keys = configurations.map(codesKey);
  }

  /** The next configuration to try; `undefined` when the search has ended, or waits for running trials. */
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
    // Toggling all groups is left out: it would be the float model.
    for (let count = 1; count < most; count *= 2) {
      const codes = this.#unused(ledger, count);
      if (codes !== undefined) {
        return codes;
      }
    }
    return undefined;
  }

  /**
   * Sets toggled groups back to the centre (quantized) one by one, the least sensitive first, while the
   * accuracy bound is still met; returns the next configuration to try.
   */
  #pruned(ledger: TrialLedger, count: number): Codes | undefined {
    let kept = this.#configurations[count]!;
    // The last toggled group is not set back: with one group less the accuracy bound was missed.
    for (const group of this.#groups.slice(0, count - 1).reverse()) {
      const codes = restoreGroup(this.#encoded, kept, group, this.#configurations[0]!);
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
