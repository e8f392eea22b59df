import {
  type Codes,
  codesKey,
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "./encoding.js";
import { FamilyDescent, type Keyed } from "./family-moves.js";
import { createKernels, drawProductKernel } from "./kernels.js";
import { RankedReversals } from "./ranked-reversals.js";
import { createRandomStream, type RandomStream } from "./random.js";
import { singleReversals } from "./reversal.js";
import type { Sampler } from "./sampler.js";
import type { Configuration, Space } from "./space.js";
import { proposeConfiguration, proposeNeighbour } from "./tpe-proposal.js";
import { DEFAULT_TPE_SETTINGS, type TpeSettings } from "./tpe-settings.js";
import { TrialEvidence } from "./trial-evidence.js";
import { TrialLedger } from "./trial-ledger.js";
import { findUnused } from "./unused.js";

/** The descent by families may take this share of the trials. */
const DESCENT_SHARE = 1 / 6;

/** The wave is worth its trials only where all of it fits into this share (docs/search.md, "From a good base"). */
const WAVE_SHARE = Number(process.env.C_WAVE ?? 0.2);

export interface TpeOptions {
  readonly seed: number;
  /** The base configuration, which a run tells as its trial 1; without one the search starts from nothing. */
  readonly base?: Configuration;
  /** A score a group, larger for groups that quantization hurts more; orders the sensitivity wave. */
  readonly sensitivity?: Readonly<Record<string, number>>;
  /**
   * `auto`, the default, begins around the base: families first, and where there are few groups a wave that reverses
   * each of them alone. `off` begins with draws around the base.
   */
  readonly sensitivityWave?: "auto" | "off";
  /** The trials that the whole search may take, which bounds how it begins. */
  readonly maxTrials?: number;
  readonly settings?: Partial<TpeSettings>;
}

/**
 * The tree-structured Parzen estimator over a whole configuration, with additive evidence (docs/search.md).
 *
 * @throws ConfigurationError when the space contradicts itself or the base does not fit it
 */
export function createTpeSampler(space: Space, options: TpeOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const settings = { ...DEFAULT_TPE_SETTINGS, ...options.settings };
  const ledger = new TrialLedger(encoded);
  const evidence = new TrialEvidence(ledger);
  const base = options.base === undefined ? undefined : encodeConfiguration(encoded, options.base);
  const descent =
    base === undefined || options.sensitivityWave === "off" ? undefined : new FamilyDescent(ledger, base);
  let latestRanked: { readonly center: string; readonly reversals: RankedReversals } | undefined;
  let latestWave: { readonly center: string; readonly trials: readonly Keyed[] } | undefined;
  const maxTrials = options.maxTrials ?? Number.POSITIVE_INFINITY;

  /** The next configuration of the descent by families, then of the wave of single groups around its best. */
  function nextSeed(): Codes | undefined {
    if (descent === undefined || ledger.distinct > (DESCENT_SHARE + 0.2) * maxTrials) {
      return undefined;
    }
    const { center, untried } = descent.state();
    if (untried.length > 0 && ledger.distinct <= DESCENT_SHARE * maxTrials) {
      return untried[0]!.codes;
    }
    const ranked = nextRanked(center);
    if (ranked !== undefined) {
      return ranked;
    }
    const wave = waveAround(center);
    return wave.length <= WAVE_SHARE * maxTrials
      ? wave.find(({ key }) => !ledger.has(key))?.codes
      : undefined;
  }

  function nextRanked(center: Keyed): Codes | undefined {
    const { sensitivity } = options;
    const violation = ledger.find(center.key)?.trial.violation ?? 0;
    if (sensitivity === undefined || violation === 0) {
      return undefined;
    }
    if (latestRanked?.center !== center.key) {
      latestRanked = { center: center.key, reversals: new RankedReversals(encoded, center.codes, sensitivity) };
    }
    return latestRanked.reversals.next(ledger);
  }

  function waveAround(center: Keyed): readonly Keyed[] {
    if (latestWave?.center !== center.key) {
      const reversals = singleReversals(encoded, center.codes, options.sensitivity);
      latestWave = { center: center.key, trials: reversals.map(({ codes }) => ({ codes, key: codesKey(codes) })) };
    }
    return latestWave.trials;
  }

  /** Around the base where there is one, else from the prior. */
  function drawAtStart(random: RandomStream): Codes {
    const mismatch = Math.min(settings.mismatchLimit, settings.changesPerDraw / Math.max(1, encoded.size));
    const centre = base && (ledger.ranked[0]?.codes ?? base);
    return drawProductKernel(createKernels(encoded, mismatch), centre, random);
  }

  function propose(random: RandomStream, trial: number): Codes {
    const seed = nextSeed();
    if (seed !== undefined) {
      return seed;
    }
    const LOCAL = Number(process.env.C_LOCAL ?? 0);
    if (base !== undefined && LOCAL > 0 && trial % LOCAL === 0 && ledger.finished.length > 0) {
      return proposeNeighbour(ledger, evidence, settings, random) ?? ledger.ranked[0]!.codes;
    }
    if (ledger.finished.length < settings.startupTrials) {
      return drawAtStart(random);
    }
    return proposeConfiguration(ledger, evidence, settings, random) ?? ledger.ranked[0]!.codes;
  }

  return {
    ask(trial) {
      if (ledger.distinct >= total) {
        return undefined;
      }
      const random = createRandomStream(options.seed, trial, "sampler");
      const proposal = propose(random, trial);
      const codes = ledger.has(codesKey(proposal)) ? findUnused(ledger, proposal, random, total) : proposal;
      return decodeConfiguration(encoded, codes);
    },
    started: (trial, configuration) => ledger.started(trial, configuration),
    tell(trial) {
      if (ledger.tell(trial) !== undefined) {
        evidence.note(trial);
      }
    },
  };
}
