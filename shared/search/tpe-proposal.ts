import { createJointDensity, drawMember, type JointDensity, logJointDensity } from "./density.js";
import { type Codes, codesKey, INACTIVE } from "./encoding.js";
import { createKernels, drawProductKernel } from "./kernels.js";
import { type Nearness, nearCandidates } from "./near-candidates.js";
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
 * @param base around which the run searches, if there is one
 * @returns `undefined` when every candidate is finished or running
 */
export function proposeConfiguration(
  ledger: TrialLedger,
  trialEvidence: TrialEvidence,
  settings: TpeSettings,
  random: RandomStream,
  base?: Codes,
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
  const consider = (codes: Codes, near?: Nearness): void => {
    const key = codesKey(codes);
    if (!unused.has(key) && !ledger.has(key)) {
      unused.set(key, { codes, evidence: evidence.score(codes, near) });
    }
  };
  if (evidence.isConstrained && base !== undefined) {
    for (const { codes, near } of nearCandidates(ledger, base, random)) {
      consider(codes, near);
    }
  }
  // What is foretold for far candidates is the best of many guesses, so beside them near ones would hardly be asked.
  const nearAlone = unused.size > 0 && random.uniform() < settings.nearShare;
  for (const codes of nearAlone ? [] : candidates(l, evidence, settings, random)) {
    consider(codes);
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
  for (let i = 0; evidence.isConstrained && i < settings.neighbours; i++) {
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
