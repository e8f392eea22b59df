import { AdditiveEvidence } from "./additive-evidence.js";
import { createJointDensity, type JointDensity, logJointDensity } from "./density.js";
import { sumEffects } from "./effects-model.js";
import { type Codes, countConfigurations, decodeConfiguration, encodeSpace, INACTIVE } from "./encoding.js";
import { type CoordinateKernels, createKernels, drawProductKernel } from "./kernels.js";
import { createRandomStream, type RandomStream } from "./random.js";
import type { FinishedTrial, Sampler } from "./sampler.js";
import type { Configuration, Space } from "./space.js";
import { TiltedKernel } from "./tilting.js";
import { DEFAULT_TPE_SETTINGS, type TpeSettings } from "./tpe-settings.js";
import { type LedgerEntry, TrialLedger } from "./trial-ledger.js";
import { findUnused } from "./unused.js";

export interface TpeOptions {
  readonly seed: number;
  readonly base?: Configuration;
  readonly sensitivity?: Readonly<Record<string, number>>;
  readonly maxTrials?: number;
  readonly settings?: Partial<TpeSettings>;
}

export function createTpeSampler(space: Space, options: TpeOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const ledger = new TrialLedger(encoded);
  const settings = { ...DEFAULT_TPE_SETTINGS, ...options.settings };
  const value = new AdditiveEvidence(ledger, { of: (trial) => trial.values[0] });

  function propose(random: RandomStream): Codes {
    const { ranked } = ledger;
    if (ranked.length < settings.startupTrials) {
      return drawProductKernel(createKernels(encoded, 0.3), undefined, random);
    }
    const running = ledger.running;
    const count = Math.min(Math.ceil(settings.goodShare * ranked.length), settings.goodLimit);
    const good = ranked.slice(0, count);
    const rivals = ranked.slice(count, count + settings.rivals);
    const active = countActive(good[0]!.codes);
    const kernels = createKernels(
      encoded,
      Math.min(settings.mismatchLimit, settings.changesPerDraw / Math.max(1, active)),
    );
    const weights = improvementWeights(good, rivals[0]);
    const l = createJointDensity(
      kernels,
      good.map(({ codes }) => codes),
      weights,
      weights.reduce((a, b) => a + b, 0) / weights.length,
    );
    const bad = [...rivals.map(({ codes }) => codes), ...running];
    const g = createJointDensity(kernels, bad, new Float64Array(bad.length).fill(1), 1);
    const drawn = value.draw(random, settings.temperature, running);
    const evidence = drawn.effects.map((effect) => -settings.evidenceWeight * effect);
    let best: Codes | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const codes of candidates(l, kernels, evidence, random)) {
      if (ledger.has(codes)) {
        continue;
      }
      const score =
        logJointDensity(l, codes) - logJointDensity(g, codes) + sumEffects(encoded, evidence, codes);
      if (score > bestScore) {
        bestScore = score;
        best = codes;
      }
    }
    return best ?? drawProductKernel(kernels, ranked[0]!.codes, random);
  }

  function* candidates(
    l: JointDensity,
    kernels: CoordinateKernels,
    evidence: Float64Array,
    random: RandomStream,
  ): Generator<Codes> {
    const tilted = new TiltedKernel(kernels, evidence);
    yield tilted.mode(undefined);
    for (const member of l.members) {
      yield tilted.mode(member);
    }
    for (let i = 0; i < settings.candidates; i++) {
      yield tilted.draw(drawMember(l, random), random);
    }
  }

  return {
    ask(trial) {
      const random = createRandomStream(options.seed, trial, "sampler");
      if (ledger.distinct >= total) {
        return undefined;
      }
      const proposal = propose(random);
      const codes = ledger.has(proposal) ? findUnused(ledger, proposal, random, total) : proposal;
      return decodeConfiguration(encoded, codes);
    },
    started: (trial, configuration) => ledger.started(trial, configuration),
    tell(trial: FinishedTrial) {
      ledger.tell(trial);
    },
  };
}

function drawMember(density: JointDensity, random: RandomStream): Codes | undefined {
  let remaining = random.uniform() - density.priorWeight;
  if (remaining < 0) {
    return undefined;
  }
  let chosen = 0;
  while (chosen < density.members.length - 1 && remaining >= density.weights[chosen]!) {
    remaining -= density.weights[chosen]!;
    chosen++;
  }
  return density.members[chosen];
}

function countActive(codes: Codes): number {
  return codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
}

function improvementWeights(good: readonly LedgerEntry[], firstBad: LedgerEntry | undefined): number[] {
  const reference = firstBad?.trial.values[0] ?? 0;
  return good.map(({ trial }) => Math.max(1e-12, reference - (trial.values[0] ?? 0)));
}
