import { createJointDensity, drawMember, type JointDensity, logJointDensity } from "./density.js";
import { type Codes, codesKey, INACTIVE } from "./encoding.js";
import { createKernels, drawProductKernel } from "./kernels.js";
import type { RandomStream } from "./random.js";
import { rankPareto } from "./ranking.js";
import { TiltedKernel } from "./tilting.js";
import type { TpeSettings } from "./tpe-settings.js";
import type { DrawnEvidence, TrialEvidence } from "./trial-evidence.js";
import type { LedgerEntry, TrialLedger } from "./trial-ledger.js";
import { improvementWeights } from "./trial-weights.js";

/** The densities, which cost most, are weighed for so many candidates, those with the most evidence. */
const SHORTLIST = 16;

interface Candidate {
  readonly codes: Codes;
  /** In nats. */
  readonly evidence: number;
}

/** The finished trials split at the good share. */
interface Split {
  readonly good: readonly LedgerEntry[];
  readonly weights: Float64Array;
  /** The best of the trials that are not good. */
  readonly rivals: readonly LedgerEntry[];
}

/**
 * Proposes the configuration that scores highest among candidates from the good density, where the score is
 * log l(x) - log g(x), of the joint densities of good and of rival and running trials, plus the additive evidence.
 *
 * @returns `undefined` when every candidate is finished or running
 */
export function proposeConfiguration(
  ledger: TrialLedger,
  trialEvidence: TrialEvidence,
  settings: TpeSettings,
  random: RandomStream,
): Codes | undefined {
  const { encoded, running } = ledger;
  const { good, weights, rivals } = split(ledger, settings);
  const active = good[0]!.codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
  const kernels = createKernels(
    encoded,
    Math.min(settings.mismatchLimit, settings.changesPerDraw / Math.max(1, active)),
  );
  const meanWeight = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  const l = createJointDensity(
    kernels,
    good.map(({ codes }) => codes),
    weights,
    meanWeight,
  );
  // The latest liars stand for all of them: of 256 running trials, each ask would weigh every one.
  const bad = [
    ...rivals.map(({ codes }) => codes),
    ...running.slice(-settings.rivals).map(({ codes }) => codes),
  ];
  const g = createJointDensity(kernels, bad, new Float64Array(bad.length).fill(1), 1);
  const evidence = trialEvidence.draw(random, settings.evidenceWeight, settings.temperature);
  const unused = new Map<string, Candidate>();
  for (const codes of candidates(l, evidence, settings, random)) {
    const key = codesKey(codes);
    if (!unused.has(key) && !ledger.has(key)) {
      unused.set(key, { codes, evidence: evidence.score(codes) });
    }
  }
  const shortlist = [...unused.values()].sort((a, b) => b.evidence - a.evidence).slice(0, SHORTLIST);
  let best: Codes | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const { codes, evidence: nats } of shortlist) {
    const score = logJointDensity(l, codes) - logJointDensity(g, codes) + nats;
    if (score > bestScore) {
      bestScore = score;
      best = codes;
    }
  }
  return best;
}

/** Modes of the good density's components under the evidence, then draws from them. */
function* candidates(
  l: JointDensity,
  evidence: DrawnEvidence,
  settings: TpeSettings,
  random: RandomStream,
): Generator<Codes> {
  const tilted = evidence.tilts.map((tilt) => new TiltedKernel(l.kernels, tilt));
  // With several exchange rates the modes of the first components stand for the rest, or one ask would grow sixfold.
  const modes = Math.ceil(settings.goodLimit / tilted.length);
  for (const kernel of tilted) {
    yield kernel.mode(undefined);
    for (const member of l.members.slice(0, modes)) {
      yield kernel.mode(member);
    }
  }
  for (let i = 0; i < settings.candidates; i++) {
    yield tilted[i % tilted.length]!.draw(drawMember(l, random), random);
  }
  // The evidence moves every parameter that it has an opinion on. Under a constraint what a good trial has beyond the
  // additive effects is worth keeping, so its near neighbours are candidates, too.
  for (let i = 0; tilted.length > 1 && i < settings.neighbours; i++) {
    yield drawProductKernel(l.kernels, drawMember(l, random), random);
  }
}

function split(ledger: TrialLedger, settings: TpeSettings): Split {
  const { ranked, finished } = ledger;
  const count = Math.min(Math.ceil(settings.goodShare * finished.length), settings.goodLimit);
  const several = finished.some(({ trial }) => trial.values.length > 1);
  if (!several) {
    const good = ranked.slice(0, count);
    const rivals = ranked.slice(count, count + settings.rivals);
    return { good, rivals, weights: improvementWeights(good, rivals[0]) };
  }
  const rated = rankPareto(finished);
  return {
    good: rated.slice(0, count).map(({ entry }) => entry),
    rivals: rated.slice(count, count + settings.rivals).map(({ entry }) => entry),
    weights: Float64Array.from(rated.slice(0, count), ({ contribution }) => Math.max(1e-12, contribution)),
  };
}

export function proposeNeighbour(
  ledger: TrialLedger,
  trialEvidence: TrialEvidence,
  settings: TpeSettings,
  random: RandomStream,
): Codes | undefined {
  const { encoded, ranked } = ledger;
  const parent = ranked[0]!.codes;
  const active = parent.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
  const kernels = createKernels(encoded, Number(process.env.C_CHANGES ?? 1.5) / active);
  const evidence = trialEvidence.draw(random, settings.evidenceWeight, settings.temperature);
  let best: Codes | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  const seen = new Set<string>();
  for (let i = 0; i < Number(process.env.C_DRAWS ?? 16); i++) {
    const codes = drawProductKernel(kernels, parent, random);
    const key = codesKey(codes);
    if (seen.has(key) || ledger.has(key)) continue;
    seen.add(key);
    const score = evidence.score(codes);
    if (score > bestScore) {
      bestScore = score;
      best = codes;
    }
  }
  return best;
}
