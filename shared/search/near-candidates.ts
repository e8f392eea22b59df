import { type Codes, type EncodedSpace, INACTIVE } from "./encoding.js";
import { createKernels, drawProductKernel } from "./kernels.js";
import type { RandomStream } from "./random.js";
import { groupSwitches, restore } from "./reversal.js";
import type { LedgerEntry, TrialLedger } from "./trial-ledger.js";

/** Parameters that a candidate changes on average. */
const CHANGES = 1.5;
const DRAWS_PER_PARENT = 8;
/** So many of the best trials are parents, and as many of those that only the accuracy bound keeps from being better. */
const PARENTS = 2;
/**
 * What one change leaves of what a configuration's accuracy loss has beyond additive effects. Between configurations of
 * one size the loss varies half as much after two changes as between any two (docs/search.md, "Near a good trial").
 */
const KEPT_PER_CHANGE = 0.8;

/** A finished trial that a configuration is near to. */
export interface Nearness {
  readonly entry: LedgerEntry;
  /** Correlation of the two in what additive effects leave open. */
  readonly correlation: number;
}

export interface NearCandidate {
  readonly codes: Codes;
  readonly near: Nearness;
}

/**
 * Configurations one or two changes away from promising trials: from the best, and from those that would be better but
 * for the accuracy bound. From the best also every group alone set back to the base, which is what makes it smaller.
 */
export function* nearCandidates(
  ledger: TrialLedger,
  base: Codes,
  random: RandomStream,
): Generator<NearCandidate> {
  const { encoded } = ledger;
  const parents = promisingTrials(ledger);
  const best = parents[0];
  if (best === undefined) {
    return;
  }
  for (const parameter of groupSwitches(encoded).values()) {
    if (best.codes[parameter] !== base[parameter]) {
      const codes = restore(encoded, best.codes, parameter, base);
      yield { codes, near: { entry: best, correlation: KEPT_PER_CHANGE } };
    }
  }
  for (const entry of parents) {
    const active = entry.codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
    const kernels = createKernels(encoded, Math.min(0.5, CHANGES / Math.max(1, active)));
    for (let i = 0; i < DRAWS_PER_PARENT; i++) {
      const codes = drawProductKernel(kernels, entry.codes, random);
      const correlation = KEPT_PER_CHANGE ** changes(encoded, entry.codes, codes);
      yield { codes, near: { entry, correlation } };
    }
  }
}

/** The best first; without trials that the race stopped, whose accuracy is no more than an estimate. */
function promisingTrials({ ranked }: TrialLedger): readonly LedgerEntry[] {
  const best: LedgerEntry[] = [];
  const almost: LedgerEntry[] = [];
  let value = Number.POSITIVE_INFINITY;
  // Without arrays of all trials: there may be ten thousand.
  for (const entry of ranked) {
    const { state, violation, values } = entry.trial;
    if (state !== "complete") {
      continue;
    }
    if (best.length === 0 && violation === 0) {
      value = values[0]!;
    }
    if (best.length < PARENTS) {
      best.push(entry);
    }
    if (violation > 0 && values[0]! < value && almost.push(entry) === PARENTS) {
      break;
    }
  }
  return [...new Set([...best, ...almost])];
}

/** Parameters that differ, without those that only came to exist, or ceased to, with another. */
function changes({ size, parent }: EncodedSpace, a: Codes, b: Codes): number {
  let count = 0;
  for (let d = 0; d < size; d++) {
    const above = parent[d]!;
    if (a[d] !== b[d] && (above < 0 || a[above] === b[above])) {
      count++;
    }
  }
  return count;
}
