import { TrialEvidence } from "../effects/trial-evidence.js";
import { drawProductKernel, kernelMoves } from "../kernels/kernels.js";
import { createRandomStream, type RandomStream } from "../numerics/random.js";
import {
  type Codes,
  codesKey,
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../space/encoding.js";
import type { Configuration, Space } from "../space/space.js";
import type { Sampler } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { StartAroundBase } from "./start-around-base.js";
import { Proposer } from "./tpe-proposal.js";
import { DEFAULT_TPE_SETTINGS, type TpeSettings } from "./tpe-settings.js";
import { findUntried } from "./untried-configuration.js";

export interface TpeOptions {
  readonly seed: number;
  /**
   * The base (preset) configuration, which is trial 1 of a run; without one the search starts with random
   * draws.
   */
  readonly base?: Configuration;
  /**
   * A score per group name (ops quantized together), larger for groups that lose more accuracy by quantization;
   * those are left in float first.
   */
  readonly sensitivity?: Readonly<Record<string, number>>;
  /**
   * How a search with a base begins: `auto`, the default, with {@link StartAroundBase}; `off` with random draws
   * around the best trial so far.
   */
  readonly startAroundBase?: "auto" | "off";
  /** Largest number of trials of the whole search, which limits the trials of the start. */
  readonly maxTrials?: number;
  readonly settings?: Partial<TpeSettings>;
}

/**
 * The tree-structured Parzen estimator over whole configurations, with additive evidence
 * (docs/design/search.md, "One ask").
 *
 * @throws ConfigurationError when the space contradicts itself or the base does not fit it
 */
export function createTpeSampler(space: Space, options: TpeOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const settings = { ...DEFAULT_TPE_SETTINGS, ...options.settings };
  const ledger = new TrialLedger(encoded);
  const evidence = new TrialEvidence(ledger, options.seed);
  const base = options.base === undefined ? undefined : encodeConfiguration(encoded, options.base);
  const proposer = new Proposer(ledger, evidence, settings, base);
  const start =
    base === undefined || options.startAroundBase === "off"
      ? undefined
      : new StartAroundBase(ledger, base, {
          maxTrials: options.maxTrials ?? Number.POSITIVE_INFINITY,
          ...(options.sensitivity === undefined ? {} : { sensitivity: options.sensitivity }),
        });

  /** A random configuration near the best trial so far where there is a base, otherwise from the prior. */
  function drawAtStart(random: RandomStream): Codes {
    const mismatch = Math.min(settings.mismatchLimit, settings.changesPerDraw / Math.max(1, encoded.size));
    const centre = base && (ledger.ranked[0]?.codes ?? base);
    return drawProductKernel({ moves: kernelMoves(encoded), mismatch }, centre, random);
  }

  function propose(random: RandomStream): Codes {
    const seed = start?.next();
    if (seed !== undefined) {
      return seed;
    }
    if (ledger.finished.length < settings.startupTrials) {
      return drawAtStart(random);
    }
    return proposer.propose(random) ?? ledger.ranked[0]!.codes;
  }

  return {
    ask(trial) {
      if (ledger.distinct >= total) {
        return undefined;
      }
      const random = createRandomStream(options.seed, trial, "sampler");
      const proposal = propose(random);
      const codes = ledger.has(codesKey(proposal)) ? findUntried(ledger, proposal, random, total) : proposal;
      const configuration = decodeConfiguration(encoded, codes);
      ledger.remember(configuration, codes);
      return configuration;
    },
    started: (trial, configuration) => ledger.started(trial, configuration),
    tell(trial) {
      if (ledger.tell(trial) !== undefined) {
        evidence.add(trial);
      }
    },
  };
}
