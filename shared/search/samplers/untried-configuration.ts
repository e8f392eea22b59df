import { drawProductKernel, kernelMoves } from "../kernels/kernels.js";
import type { RandomStream } from "../numerics/random.js";
import { type Codes, codesKey, enumerateConfigurations } from "../space/encoding.js";
import type { TrialLedger } from "../trials/trial-ledger.js";

/** A space with at most this many times as many configurations as were tried is enumerated instead of sampled. */
const LISTABLE_RATIO = 4;
const ATTEMPTS = 16;
const WIDENING = 1.5;
const WIDEST_MISMATCH = 0.95;

/**
 * A configuration that is neither finished nor running, drawn near `centre`; the draws widen until one is
 * untried. The caller must make sure that the space is not exhausted.
 *
 * @param total number of configurations in the space
 */
export function findUntried(ledger: TrialLedger, centre: Codes, random: RandomStream, total: number): Codes {
  const { encoded } = ledger;
  if (total <= LISTABLE_RATIO * ledger.distinct) {
    const unused = [...enumerateConfigurations(encoded)].filter((codes) => !ledger.has(codesKey(codes)));
    return unused[random.below(unused.length)]!;
  }
  for (let mismatch = 1 / encoded.size; ; mismatch = Math.min(WIDEST_MISMATCH, WIDENING * mismatch)) {
    const kernels = { moves: kernelMoves(encoded), mismatch };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const codes = drawProductKernel(kernels, mismatch >= WIDEST_MISMATCH ? undefined : centre, random);
      if (!ledger.has(codesKey(codes))) {
        return codes;
      }
    }
  }
}
