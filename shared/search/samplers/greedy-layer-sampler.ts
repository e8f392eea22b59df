import { createRandomStream } from "../numerics/random.js";
import {
  type Codes,
  codesKey,
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../space/encoding.js";
import { reverse, singleReversals } from "../space/group-toggle.js";
import type { Configuration, Space } from "../space/space.js";
import { compareTrials } from "../trials/ranking.js";
import type { FinishedTrial, Sampler } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { findUnused } from "./untried-configuration.js";

export interface ReversalOptions {
  readonly seed: number;
  /** The fully quantized configuration. */
  readonly base: Configuration;
  readonly sensitivity?: Readonly<Record<string, number>>;
}

/**
 * Greedy layer reversal, the way of NNCF's accuracy-aware quantization (reference section 6.6), as a baseline:
 * reverse each group alone and rank them by what that brought; reverse them one after another in that order on top
 * of each other; then take single reversals of the best back, and in the end try its neighbours at random.
 */
export function createReversalSampler(space: Space, options: ReversalOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const ledger = new TrialLedger(encoded);
  const base = encodeConfiguration(encoded, options.base);
  const wave = singleReversals(encoded, base, options.sensitivity).map(({ codes }) => codes);
  const switches = encoded.groups.map((group) => group.switch);

  function firstUnused(candidates: Iterable<Codes>): Codes | undefined {
    for (const codes of candidates) {
      if (!ledger.has(codesKey(codes))) {
        return codes;
      }
    }
    return undefined;
  }

  /** The base with more and more groups reversed, those that helped most alone first. */
  function* chain(): Generator<Codes> {
    const results = new Map<string, FinishedTrial>(
      ledger.finished.map(({ codes, trial }) => [codesKey(codes), trial]),
    );
    const ranked = wave
      .map((codes) => ({ codes, trial: results.get(codesKey(codes)) }))
      .filter((entry): entry is { codes: Codes; trial: FinishedTrial } => entry.trial !== undefined)
      .sort((a, b) => compareTrials(a.trial, b.trial));
    let reversed = base;
    for (const { codes } of ranked) {
      const parameter = switches.find((d) => codes[d] !== base[d])!;
      reversed = reverse(encoded, reversed, parameter);
      yield reversed;
      if (results.get(codesKey(reversed))?.violation === 0) {
        return;
      }
    }
  }

  /** The best so far with single reversals taken back. */
  function* restored(): Generator<Codes> {
    const best = ledger.ranked[0]?.codes;
    if (best !== undefined) {
      for (const d of switches) {
        if (best[d] !== base[d]) {
          const codes = reverse(encoded, best, d);
          if (codes[d] === base[d]) {
            yield codes;
          }
        }
      }
    }
  }

  return {
    ask(trial) {
      if (ledger.distinct >= total) {
        return undefined;
      }
      const codes =
        firstUnused(wave) ??
        firstUnused(chain()) ??
        firstUnused(restored()) ??
        findUnused(
          ledger,
          ledger.ranked[0]?.codes ?? base,
          createRandomStream(options.seed, trial, "sampler"),
          total,
        );
      return decodeConfiguration(encoded, codes);
    },
    started: (trial, configuration) => ledger.started(trial, configuration),
    tell(trial) {
      ledger.tell(trial);
    },
  };
}
