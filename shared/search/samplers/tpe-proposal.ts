import type { DrawnEvidence, TrialEvidence } from "../effects/trial-evidence.js";
import { createJointDensity, drawMember, type JointDensity, logDensityOf } from "../kernels/density.js";
import { EvidenceWeightedKernel } from "../kernels/evidence-weighted-kernel.js";
import {
  type CoordinateKernels,
  centreIndices,
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

/**
 * Number of candidates, those with the most evidence, for which densities are computed: the most expensive part
 * of the TPE score.
 */
const SHORTLIST = 16;

/** Number of parameters of a space above which fewer candidates are drawn, as each takes longer. */
const FULL_SIZE = 200;
/** Lower limit, in large spaces, of the number of candidates as a share of the usual number. */
const LEAST_SHARE = 0.25;

interface Candidate {
  readonly codes: Codes;
  /** The score's part from the additive models, in nats; larger is better. */
  readonly evidence: number;
}

/** Finished trials split into good ones (the source of the good density) and the next in rank (of the bad one). */
interface Split {
  readonly good: readonly LedgerEntry[];
  readonly weights: Float64Array;
  /** The trials ranked right after the good ones. */
  readonly rivals: readonly LedgerEntry[];
}

/**
 * Proposes configurations by the score of the tree-structured Parzen estimator (TPE). Arrays are reused between
 * asks (proposals), which keeps garbage collection low.
 */
export class Proposer {
  readonly #ledger: TrialLedger;
  readonly #evidence: TrialEvidence;
  readonly #settings: TpeSettings;
  readonly #base: Codes | undefined;
  /** Arrays for the codes of candidates, reused from ask to ask. */
  readonly #arrays: Codes[] = [];
  /** Cached {@link centreIndices} of trials; densities mostly have the same members from ask to ask. */
  readonly #indices = new WeakMap<Codes, Int32Array>();
  readonly #priorIndices: Int32Array;
  readonly #share: number;
  #kernels: CoordinateKernels | undefined;

  /** @param base the base (preset) configuration, if the run has one */
  constructor(ledger: TrialLedger, evidence: TrialEvidence, settings: TpeSettings, base?: Codes) {
    this.#ledger = ledger;
    this.#base = base;
    this.#evidence = evidence;
    this.#settings = settings;
    this.#share = Math.min(1, Math.max(LEAST_SHARE, FULL_SIZE / ledger.encoded.size));
    this.#priorIndices = centreIndices(ledger.encoded, undefined);
  }

  /**
   * The candidate x with the highest score log l(x) - log g(x) + evidence(x), where l is the joint density of
   * the good trials, g that of the next-ranked and running trials, and the evidence comes from the additive
   * models.
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
      this.#indicesOf,
    );
    // Running trials count as bad (constant liar). Only the latest are used, since there may be hundreds.
    const bad = [
      ...rivals.map(({ codes }) => codes),
      ...ledger.running.slice(-settings.rivals).map(({ codes }) => codes),
    ];
    const g = createJointDensity(kernels, bad, new Float64Array(bad.length).fill(1), 1, this.#indicesOf);
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
    // The best prediction among many far candidates is optimistic and would nearly always beat the near
    // candidates, so a share of the asks considers near candidates only.
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

  /** Candidates: modes of the good density's components times exp(evidence), then random draws from them. */
  *#candidates(l: JointDensity, evidence: DrawnEvidence, random: RandomStream): Generator<Codes> {
    const { goodLimit, candidates, neighbours } = this.#settings;
    const share = this.#share;
    const weighted = evidence.choiceEvidence.map(
      (valueEvidence) => new EvidenceWeightedKernel(l.kernels, valueEvidence),
    );
    // With several exchange rates only the first components' modes are taken, to keep the number of
    // candidates constant.
    const modes = Math.ceil((share * goodLimit) / weighted.length);
    let at = 0;
    for (const kernel of weighted) {
      yield kernel.mode(undefined, this.#array(at++));
      for (const member of l.members.slice(0, modes)) {
        yield kernel.mode(member, this.#array(at++));
      }
    }
    for (let i = 0; i < share * candidates; i++) {
      yield weighted[i % weighted.length]!.draw(drawMember(l, random), random, this.#array(at++));
    }
    // The candidates above differ from good trials in every parameter with any evidence. Under a constraint,
    // effects of good trials that the additive model does not explain are worth keeping, so near neighbours are
    // candidates too.
    for (let i = 0; evidence.isConstrained && i < share * neighbours; i++) {
      yield drawProductKernel(l.kernels, drawMember(l, random), random, this.#array(at++));
    }
  }

  readonly #indicesOf = (centre: Codes | undefined): Int32Array => {
    if (centre === undefined) {
      return this.#priorIndices;
    }
    let indices = this.#indices.get(centre);
    if (indices === undefined) {
      indices = centreIndices(this.#ledger.encoded, centre);
      this.#indices.set(centre, indices);
    }
    return indices;
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
