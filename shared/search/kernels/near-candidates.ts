import type { RandomStream } from "../numerics/random.js";
import { type Codes, type EncodedSpace, INACTIVE } from "../space/encoding.js";
import { restoreGroup } from "../space/group-toggle.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";
import { drawProductKernel, kernelMoves } from "./kernels.js";

/** Number of parameters that a candidate changes, on average, of the trial it is derived from (its parent). */
const CHANGES = 1.5;
const DRAWS_PER_PARENT = 8;
/**
 * Parents (trials that candidates are derived from) are searched among this many ranked trials, as there may be
 * ten thousand.
 */
const PARENT_SEARCH_LIMIT = 256;
/**
 * Upper limit of the candidates per ask (proposal of a trial) that reset one group (parameters of the same ops)
 * to the base (preset) configuration; of more, a random subset is taken.
 */
const RESET_GROUPS = 32;
/**
 * Number of parents (trials that candidates are derived from) among the best trials, and as many again among
 * trials that would be better but for the accuracy bound.
 */
const PARENTS = 2;
/**
 * Correlation, per changed parameter, of the part of the accuracy loss that additive effects do not explain.
 * On real models that part varies about half as much between configurations two changes apart as between any
 * two of equal size (docs/design/search.md, "Near a good trial").
 */
const KEPT_PER_CHANGE = 0.8;

/** How a candidate relates to the finished trial from which it was derived. */
export interface Nearness {
  readonly entry: LedgerEntry;
  /**
   * Correlation of the candidate's and the trial's accuracy losses in the part that additive effects do not
   * explain.
   */
  readonly correlation: number;
  /**
   * Whether candidate and trial have the same groups in float, so that they differ in accuracy rather than in
   * cost.
   */
  readonly sameSwitches: boolean;
}

export interface NearCandidate {
  readonly codes: Codes;
  readonly near: Nearness;
}

/**
 * Yields candidates one or two changes away from promising trials: from the best ones, and from those that
 * would be better but for the accuracy bound. Also yields the best trial with one group reset to the base
 * (preset) configuration, which quantizes the group again and so makes the model smaller.
 *
 * @param share fraction of the usual number of candidates, up to 1
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
  for (const group of drawSome(apart, Math.ceil(share * RESET_GROUPS), random)) {
    const codes = restoreGroup(encoded, best.codes, group, base);
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

/**
 * Parents (the trials that candidates are derived from), best first. Trials that were stopped early are left
 * out, as their accuracy is only an estimate.
 */
function promisingTrials({ ranked }: TrialLedger): readonly LedgerEntry[] {
  const best = takeComplete(ranked, 0, PARENTS, () => true);
  const value = best[0]?.trial.violation === 0 ? best[0].trial.values[0]! : Number.POSITIVE_INFINITY;
  const feasibleCount = countFeasible(ranked);
  const almost = takeComplete(ranked, feasibleCount, PARENTS, ({ values }) => values[0]! < value);
  return [...new Set([...best, ...almost])];
}

/**
 * The first `count` complete trials that satisfy `fits`, among the next trials in the ranking from index
 * `from` on.
 */
function takeComplete(
  ranked: readonly LedgerEntry[],
  from: number,
  count: number,
  fits: (trial: FinishedTrial) => boolean,
): LedgerEntry[] {
  const taken: LedgerEntry[] = [];
  const end = Math.min(ranked.length, from + PARENT_SEARCH_LIMIT);
  for (let index = from; index < end && taken.length < count; index++) {
    const entry = ranked[index]!;
    if (entry.trial.state === "complete" && fits(entry.trial)) {
      taken.push(entry);
    }
  }
  return taken;
}

/** Number of trials ranked before the first one that failed or misses the accuracy bound. */
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

/** All items in order where there are at most `most`, else `most` of them at random. Reorders `items` in place. */
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

/**
 * Number of parameters that differ between two configurations, not counting those that became active or
 * inactive with their parent.
 */
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
