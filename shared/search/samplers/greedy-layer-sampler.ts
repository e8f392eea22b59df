import { createRandomStream } from "../numerics/random.js";
import {
  type Codes,
  codesKey,
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../space/encoding.js";
import { groupToggles, toggleParameter } from "../space/group-toggle.js";
import type { Configuration, Space } from "../space/space.js";
import { compareTrials } from "../trials/ranking.js";
import type { FinishedTrial, Sampler } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { findUntried } from "./untried-configuration.js";

export interface GreedyLayerOptions {
  readonly seed: number;
  /** The fully quantized configuration, where the search starts. */
  readonly base: Configuration;
  /**
   * A score per group name (ops quantized together), larger for groups that lose more accuracy by quantization;
   * orders the first trials.
   */
  readonly sensitivity?: Readonly<Record<string, number>>;
}

/**
 * Greedy layer removal as in the accuracy-aware quantization of POT and NNCF, as a baseline for other samplers
 * (docs/reference/algorithms.md, "Greedy layer removal"). Returns each group to float alone and ranks the
 * groups by the result; returns them to float cumulatively in that order until the accuracy bound is met; then
 * tries to quantize single groups again; finally tries random neighbours of the best configuration.
 */
export function createGreedyLayerSampler(space: Space, options: GreedyLayerOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const ledger = new TrialLedger(encoded);
  const base = encodeConfiguration(encoded, options.base);
  const singleToggles = groupToggles(encoded, base, options.sensitivity).map(({ codes }) => codes);
  const switches = encoded.groups.map((group) => group.switch);

  function firstUntried(candidates: Iterable<Codes>): Codes | undefined {
    for (const codes of candidates) {
      if (!ledger.has(codesKey(codes))) {
        return codes;
      }
    }
    return undefined;
  }

  /**
   * The base configuration with the first one, two, … groups toggled to float, the group with the best result
   * alone first, until the accuracy bound is met.
   */
  function* cumulativeToggles(): Generator<Codes> {
    const results = new Map<string, FinishedTrial>(
      ledger.finished.map(({ codes, trial }) => [codesKey(codes), trial]),
    );
    const ranked = singleToggles
      .map((codes) => ({ codes, trial: results.get(codesKey(codes)) }))
      .filter((entry): entry is { codes: Codes; trial: FinishedTrial } => entry.trial !== undefined)
      .sort((a, b) => compareTrials(a.trial, b.trial));
    let toggled = base;
    for (const { codes } of ranked) {
      const parameter = switches.find((d) => codes[d] !== base[d])!;
      toggled = toggleParameter(encoded, toggled, parameter);
      yield toggled;
      if (results.get(codesKey(toggled))?.violation === 0) {
        return;
      }
    }
  }

  /** The best configuration so far with each group that differs from the base set back to it, one at a time. */
  function* restored(): Generator<Codes> {
    const best = ledger.ranked[0]?.codes;
    if (best !== undefined) {
      for (const d of switches) {
        if (best[d] !== base[d]) {
          const codes = toggleParameter(encoded, best, d);
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
        firstUntried(singleToggles) ??
        firstUntried(cumulativeToggles()) ??
        firstUntried(restored()) ??
        findUntried(
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
