import type { RandomStream } from "../numerics/random.js";
import { type Codes, type EncodedSpace, INACTIVE } from "../space/encoding.js";
import { restore } from "../space/group-toggle.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";
import { drawProductKernel, kernelMoves } from "./kernels.js";

/** Parameters that a candidate changes on average. */
const CHANGES = 1.5;
const DRAWS_PER_PARENT = 8;
/** So far down the ranking parents are looked for: there may be ten thousand trials. */
const RANKED_NEAR = 256;
/** Groups that one ask sets back to the base; where more are apart from it, others with every ask. */
const RESTORED_GROUPS = 32;
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
  /** Whether the two leave the same groups alone: what they differ in decides accuracy rather than cost. */
  readonly sameSwitches: boolean;
}

export interface NearCandidate {
  readonly codes: Codes;
  readonly near: Nearness;
}

/**
 * Configurations one or two changes away from promising trials: from the best, and from those that would be better but
 * for the accuracy bound. From the best also single groups set back to the base, which is what makes it smaller.
 *
 * @param share of the candidates that there are room and time for, up to 1
 */
export function* nearCandidates(
  ledger: TrialLedger,
  base: Codes,
  random: RandomStream,
  share: number,
): Generator<NearCandidate> {
  const { encoded } = ledger;
  const moves = kernelMoves(encoded);
  const parents = promisingTrials(ledger);
  const best = parents[0];
  if (best === undefined) {
    return;
  }
  const apart = encoded.groups.filter((group) => best.codes[group.switch] !== base[group.switch]);
  for (const group of drawSome(apart, Math.ceil(share * RESTORED_GROUPS), random)) {
    const codes = restore(encoded, best.codes, group, base);
    yield { codes, near: { entry: best, correlation: KEPT_PER_CHANGE, sameSwitches: false } };
  }
  for (const entry of parents) {
    const active = entry.codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
    const kernels = { moves, mismatch: Math.min(0.5, CHANGES / Math.max(1, active)) };
    for (let i = 0; i < share * DRAWS_PER_PARENT; i++) {
      const codes = drawProductKernel(kernels, entry.codes, random);
      const correlation = KEPT_PER_CHANGE ** changes(encoded, entry.codes, codes);
      const sameSwitches = encoded.groups.every((group) => codes[group.switch] === entry.codes[group.switch]);
      yield { codes, near: { entry, correlation, sameSwitches } };
    }
  }
}

/** The best first; without trials that the race stopped, whose accuracy is no more than an estimate. */
function promisingTrials({ ranked }: TrialLedger): readonly LedgerEntry[] {
  const best = takeComplete(ranked, 0, PARENTS, () => true);
  const value = best[0]?.trial.violation === 0 ? best[0].trial.values[0]! : Number.POSITIVE_INFINITY;
  const infeasible = countFeasible(ranked);
  const almost = takeComplete(ranked, infeasible, PARENTS, ({ values }) => values[0]! < value);
  return [...new Set([...best, ...almost])];
}

/** The first few complete trials that fit, of those ranked next to a place. */
function takeComplete(
  ranked: readonly LedgerEntry[],
  from: number,
  count: number,
  fits: (trial: FinishedTrial) => boolean,
): LedgerEntry[] {
  const taken: LedgerEntry[] = [];
  const end = Math.min(ranked.length, from + RANKED_NEAR);
  for (let place = from; place < end && taken.length < count; place++) {
    const entry = ranked[place]!;
    if (entry.trial.state === "complete" && fits(entry.trial)) {
      taken.push(entry);
    }
  }
  return taken;
}

/** How many trials are ranked before the first that misses the bound. */
function countFeasible(ranked: readonly LedgerEntry[]): number {
  let low = 0;
  let high = ranked.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { state, violation } = ranked[middle]!.trial;
    if (state !== "failed" && violation === 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** All of them in their order, or `most` of them at random. */
function drawSome<T>(items: T[], most: number, random: RandomStream): T[] {
  if (items.length <= most) {
    return items;
  }
  for (let i = 0; i < most; i++) {
    const j = i + random.below(items.length - i);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items.slice(0, most);
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
