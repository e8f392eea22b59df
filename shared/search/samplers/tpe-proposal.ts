import type { DrawnEvidence, TrialEvidence } from "../effects/trial-evidence.js";
import { createJointDensity, drawMember, type JointDensity, logDensityOf } from "../kernels/density.js";
import { TiltedKernel } from "../kernels/evidence-weighted-kernel.js";
import {
  type CoordinateKernels,
  centrePlaces,
  createKernels,
  drawProductKernel,
  ProductKernelTable,
} from "../kernels/kernels.js";
import { type Nearness, nearCandidates } from "../kernels/near-candidates.js";
import { improvementWeights, positiveWeights } from "../kernels/trial-weights.js";
import type { RandomStream } from "../numerics/random.js";
import { type Codes, codesKey, INACTIVE } from "../space/encoding.js";
import { rankPareto } from "../trials/ranking.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";
import type { TpeSettings } from "./tpe-settings.js";

/** The densities, which cost most, are weighed for so many candidates, those with the most evidence. */
const SHORTLIST = 16;

/** In spaces of more parameters candidates are fewer, as each takes longer, down to so small a share. */
const FULL_SIZE = 200;
const LEAST_SHARE = 0.25;

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

/** Proposes configurations; what an ask has worked with is kept for the next, so that asks leave little behind. */
export class Proposer {
  readonly #ledger: TrialLedger;
  readonly #evidence: TrialEvidence;
  readonly #settings: TpeSettings;
  readonly #base: Codes | undefined;
  /** Arrays for candidates, each written anew with every ask. */
  readonly #arrays: Codes[] = [];
  /** Of the trials that densities were made of; most are the same from ask to ask. */
  readonly #places = new WeakMap<Codes, Int32Array>();
  readonly #priorPlaces: Int32Array;
  readonly #share: number;
  #kernels: CoordinateKernels | undefined;

  /** @param base around which the run searches, if there is one */
  constructor(ledger: TrialLedger, evidence: TrialEvidence, settings: TpeSettings, base?: Codes) {
    this.#ledger = ledger;
    this.#base = base;
    this.#evidence = evidence;
    this.#settings = settings;
    this.#share = Math.min(1, Math.max(LEAST_SHARE, FULL_SIZE / ledger.encoded.size));
    this.#priorPlaces = centrePlaces(ledger.encoded, undefined);
  }

  /**
   * The configuration that scores highest among candidates from the good density, where the score is
   * log l(x) - log g(x), of the joint densities of good and of rival and running trials, plus the additive evidence.
   *
   * @returns `undefined` when every candidate is finished or running
   */
  propose(random: RandomStream): Codes | undefined {
    const settings = this.#settings;
    const ledger = this.#ledger;
    const { good, weights, rivals } = split(ledger, settings);
    const active = good[0]!.codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
    const kernels = this.#kernelsWith(
      Math.min(settings.mismatchLimit, settings.changesPerDraw / Math.max(1, active)),
    );
    const meanWeight = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const l = createJointDensity(
      kernels,
      good.map(({ codes }) => codes),
      weights,
      meanWeight,
      this.#placesOf,
    );
    // The latest liars stand for all of them: of 256 running trials, each ask would weigh every one.
    const bad = [
      ...rivals.map(({ codes }) => codes),
      ...ledger.running.slice(-settings.rivals).map(({ codes }) => codes),
    ];
    const g = createJointDensity(kernels, bad, new Float64Array(bad.length).fill(1), 1, this.#placesOf);
    const evidence = this.#evidence.draw(random, settings.evidenceWeight, settings.temperature);
    const unused = new Map<string, Candidate>();
    const consider = (codes: Codes, near?: Nearness): void => {
      const key = codesKey(codes);
      if (!unused.has(key) && !ledger.has(key)) {
        unused.set(key, { codes, evidence: evidence.score(codes, near) });
      }
    };
    if (evidence.isConstrained && this.#base !== undefined) {
      for (const { codes, near } of nearCandidates(ledger, this.#base, random, this.#share)) {
        consider(codes, near);
      }
    }
    // What is foretold for far candidates is the best of many guesses, beside which near ones would hardly be asked.
    const nearAlone = unused.size > 0 && random.uniform() < settings.nearShare;
    for (const codes of nearAlone ? [] : this.#candidates(l, evidence, random)) {
      consider(codes);
    }
    const shortlist = [...unused.values()]
      .sort((a, b) => b.evidence - a.evidence)
      .slice(0, Math.ceil(this.#share * SHORTLIST));
    const table = new ProductKernelTable(kernels);
    let best: Codes | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const { codes, evidence: nats } of shortlist) {
      table.tabulate(codes);
      const score = logDensityOf(l, table) - logDensityOf(g, table) + nats;
      if (score > bestScore) {
        bestScore = score;
        best = codes;
      }
    }
    return best?.slice();
  }

  /** Modes of the good density's components under the evidence, then draws from them. */
  *#candidates(l: JointDensity, evidence: DrawnEvidence, random: RandomStream): Generator<Codes> {
    const { goodLimit, candidates, neighbours } = this.#settings;
    const share = this.#share;
    const tilted = evidence.tilts.map((tilt) => new TiltedKernel(l.kernels, tilt));
    // With several exchange rates the modes of the first components stand for the rest, or one ask would grow sixfold.
    const modes = Math.ceil((share * goodLimit) / tilted.length);
    let at = 0;
    for (const kernel of tilted) {
      yield kernel.mode(undefined, this.#array(at++));
      for (const member of l.members.slice(0, modes)) {
        yield kernel.mode(member, this.#array(at++));
      }
    }
    for (let i = 0; i < share * candidates; i++) {
      yield tilted[i % tilted.length]!.draw(drawMember(l, random), random, this.#array(at++));
    }
    // The evidence moves every parameter that it has an opinion on. Under a constraint what a good trial has beyond the
    // additive effects is worth keeping, so its near neighbours are candidates, too.
    for (let i = 0; evidence.isConstrained && i < share * neighbours; i++) {
      yield drawProductKernel(l.kernels, drawMember(l, random), random, this.#array(at++));
    }
  }

  readonly #placesOf = (centre: Codes | undefined): Int32Array => {
    if (centre === undefined) {
      return this.#priorPlaces;
    }
    let places = this.#places.get(centre);
    if (places === undefined) {
      places = centrePlaces(this.#ledger.encoded, centre);
      this.#places.set(centre, places);
    }
    return places;
  };

  #array(index: number): Codes {
    this.#arrays[index] ??= new Int16Array(this.#ledger.encoded.size);
    return this.#arrays[index]!;
  }

  #kernelsWith(mismatch: number): CoordinateKernels {
    if (this.#kernels?.mismatch !== mismatch) {
      this.#kernels = createKernels(this.#ledger.encoded, mismatch);
    }
    return this.#kernels!;
  }
}

function split(ledger: TrialLedger, settings: TpeSettings): Split {
  const { ranked, finished } = ledger;
  const count = Math.min(Math.ceil(settings.goodShare * finished.length), settings.goodLimit);
  if (ledger.objectives <= 1) {
    const good = ranked.slice(0, count);
    const rivals = ranked.slice(count, count + settings.rivals);
    return { good, rivals, weights: improvementWeights(good, rivals[0]) };
  }
  const rated = rankPareto(finished);
  return {
    good: rated.slice(0, count).map(({ entry }) => entry),
    rivals: rated.slice(count, count + settings.rivals).map(({ entry }) => entry),
    weights: positiveWeights(rated.slice(0, count).map(({ contribution }) => contribution)),
  };
}
