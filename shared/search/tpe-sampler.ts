import { createJointDensity, drawJointDensity, logJointDensity } from "./density.js";
import {
  type Codes,
  countConfigurations,
  decodeConfiguration,
  type EncodedSpace,
  encodeSpace,
  enumerateConfigurations,
  INACTIVE,
} from "./encoding.js";
import { createKernels, drawProductKernel } from "./kernels.js";
import { createRandomStream, type RandomStream } from "./random.js";
import { compareTrials } from "./ranking.js";
import type { FinishedTrial, Sampler } from "./sampler.js";
import type { Configuration, Space } from "./space.js";
import { type LedgerEntry, TrialLedger } from "./trial-ledger.js";

export interface TpeOptions {
  readonly seed: number;
  readonly base?: Configuration;
  readonly sensitivity?: Readonly<Record<string, number>>;
  readonly maxTrials?: number;
}

const STARTUP = 10;

export function createTpeSampler(space: Space, options: TpeOptions): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const ledger = new TrialLedger(encoded);

  function propose(random: RandomStream): Codes {
    const finished = ledger.finished;
    if (finished.length < STARTUP) {
      return drawProductKernel(createKernels(encoded, 0.3), undefined, random);
    }
    const ranked = [...finished].sort((a, b) => compareTrials(a.trial, b.trial));
    const good = Math.min(Math.ceil(0.05 * finished.length), 25);
    const goodEntries = ranked.slice(0, good);
    const badEntries = ranked.slice(good);
    const active = goodEntries[0]!.codes.reduce((count, code) => count + (code === INACTIVE ? 0 : 1), 0);
    const kernels = createKernels(encoded, Math.min(0.3, 4 / active));
    const weights = improvementWeights(goodEntries, badEntries[0]);
    const mean = weights.reduce((a, b) => a + b, 0) / weights.length;
    const l = createJointDensity(
      kernels,
      goodEntries.map((e) => e.codes),
      weights,
      mean,
    );
    const bad = [...badEntries.map((e) => e.codes), ...ledger.running];
    const g = createJointDensity(kernels, bad, new Float64Array(bad.length).fill(1), 1);
    const additive = additiveEvidence(encoded, l.members, l.weights, l.priorWeight, bad);
    let best: Codes | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let candidate = 0; candidate < 128; candidate++) {
      const codes = drawJointDensity(l, random);
      if (ledger.has(codes)) {
        continue;
      }
      let score = logJointDensity(l, codes) - logJointDensity(g, codes);
      for (let d = 0; d < codes.length; d++) {
        score += codes[d] === INACTIVE ? 0 : 0.3 * additive[encoded.offset[d]! + codes[d]!]!;
      }
      if (score > bestScore) {
        bestScore = score;
        best = codes;
      }
    }
    return best ?? drawProductKernel(kernels, ranked[0]!.codes, random);
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

function improvementWeights(good: readonly LedgerEntry[], firstBad: LedgerEntry | undefined): number[] {
  const reference = firstBad?.trial.values[0] ?? 0;
  return good.map(({ trial }) => Math.max(1e-12, reference - (trial.values[0] ?? 0)));
}

function additiveEvidence(
  encoded: EncodedSpace,
  good: readonly Codes[],
  goodWeights: Float64Array,
  goodPrior: number,
  bad: readonly Codes[],
): Float64Array {
  const { offset, cardinality, size } = encoded;
  const goodMass = new Float64Array(offset[size]!);
  const badMass = new Float64Array(offset[size]!);
  good.forEach((codes, i) => {
    for (let d = 0; d < size; d++) {
      if (codes[d] !== INACTIVE) {
        goodMass[offset[d]! + codes[d]!]! += goodWeights[i]!;
      }
    }
  });
  for (const codes of bad) {
    for (let d = 0; d < size; d++) {
      if (codes[d] !== INACTIVE) {
        badMass[offset[d]! + codes[d]!]! += 1 / (bad.length + 1);
      }
    }
  }
  const evidence = new Float64Array(offset[size]!);
  for (let d = 0; d < size; d++) {
    for (let k = offset[d]!; k < offset[d + 1]!; k++) {
      evidence[k] =
        Math.log(goodMass[k]! + goodPrior / cardinality[d]!) -
        Math.log(badMass[k]! + 1 / (bad.length + 1) / cardinality[d]!);
    }
  }
  return evidence;
}

/** A configuration near `centre` that is neither finished nor running; the caller has made sure that one exists. */
function findUnused(ledger: TrialLedger, centre: Codes, random: RandomStream, total: number): Codes {
  const { encoded } = ledger;
  if (total <= 4 * ledger.distinct) {
    const unused: Codes[] = [];
    for (const codes of enumerateConfigurations(encoded)) {
      if (!ledger.has(codes)) {
        unused.push(codes);
      }
    }
    return unused[random.below(unused.length)]!;
  }
  for (let mismatch = 1 / encoded.size; ; mismatch = Math.min(0.95, 1.5 * mismatch)) {
    const kernels = createKernels(encoded, mismatch);
    for (let attempt = 0; attempt < 16; attempt++) {
      const codes = drawProductKernel(kernels, mismatch >= 0.95 ? undefined : centre, random);
      if (!ledger.has(codes)) {
        return codes;
      }
    }
  }
}
