import { type Codes, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";
import type { RandomStream } from "./random.js";

/**
 * A distribution over one whole configuration: what it is built of is independent from parameter to parameter
 * but for their conditions, which the walk in the space's order respects.
 */
export interface CoordinateKernels {
  readonly encoded: EncodedSpace;
  /** Logarithm of the probability to keep the centre's choice, a parameter each. */
  readonly logStay: Float64Array;
  /** Logarithm of the probability of a move, before it is shared out over the other choices. */
  readonly logMove: Float64Array;
  /**
   * Logarithm of the share of a move that goes to a choice so many steps away, at `offset[d] + distance`; the
   * shares of one centre add up to one with `logShareTotal`.
   */
  readonly logShare: Float64Array;
  /** Logarithm of the sum of the shares around each centre, at `offset[d] + centre`. */
  readonly logShareTotal: Float64Array;
  /** Logarithm of the probability of each other choice of a categorical parameter. */
  readonly logElsewhere: Float64Array;
  /** Logarithm of the probability of each choice where the centre has no value, at `offset[d] + choice`. */
  readonly logPrior: Float64Array;
}

/** Moves of an ordinal parameter reach this share of its range, and at least one step. */
const ORDINAL_REACH = 0.25;

/**
 * Categorical parameters: Aitchison and Aitken's kernel, 1 - b for a match and b / (K - 1) otherwise. Ordinal
 * ones: the same probability to stay, and moves by a discrete normal truncated to the range, so that a move goes to
 * a neighbour first (search.md, "The sampler").
 *
 * @param mismatch b, the probability to leave the centre's choice
 * @param prior probabilities of the choices, as long as all of them in one row; uniform when left out
 */
export function createKernels(
  encoded: EncodedSpace,
  mismatch: number,
  prior?: Float64Array,
): CoordinateKernels {
  const { size, cardinality, offset, ordinal } = encoded;
  const total = offset[size]!;
  const logStay = new Float64Array(size);
  const logMove = new Float64Array(size);
  const logShare = new Float64Array(total);
  const logShareTotal = new Float64Array(total);
  const logPrior = new Float64Array(total);
  const logElsewhere = new Float64Array(size);
  for (let d = 0; d < size; d++) {
    const choices = cardinality[d]!;
    const start = offset[d]!;
    logStay[d] = choices === 1 ? 0 : Math.log1p(-mismatch);
    logMove[d] = choices === 1 ? Number.NEGATIVE_INFINITY : Math.log(mismatch);
    logElsewhere[d] = logMove[d]! - Math.log(Math.max(1, choices - 1));
    const reach = Math.max(1, ORDINAL_REACH * (choices - 1));
    for (let k = 0; k < choices; k++) {
      logShare[start + k] = ordinal[d] === 1 ? -0.5 * ((k - 1) / reach) ** 2 : 0;
      logPrior[start + k] = prior === undefined ? -Math.log(choices) : Math.log(prior[start + k]!);
    }
    for (let centre = 0; centre < choices; centre++) {
      let sum = 0;
      for (let k = 0; k < choices; k++) {
        sum += k === centre ? 0 : Math.exp(logShare[start + Math.abs(k - centre)]!);
      }
      logShareTotal[start + centre] = Math.log(sum);
    }
  }
  return { encoded, logStay, logMove, logShare, logShareTotal, logElsewhere, logPrior };
}

/**
 * Logarithm of the probability of `choice` for parameter `d` under the kernel around `centre`, or under the
 * prior where the centre has no value.
 */
export function logKernel(kernels: CoordinateKernels, d: number, centre: number, choice: number): number {
  const start = kernels.encoded.offset[d]!;
  if (centre === INACTIVE) {
    return kernels.logPrior[start + choice]!;
  }
  return choice === centre
    ? kernels.logStay[d]!
    : kernels.logMove[d]! +
        kernels.logShare[start + Math.abs(choice - centre)]! -
        kernels.logShareTotal[start + centre]!;
}

/**
 * Logarithm of the probability of a configuration under the product of the kernels around `centre`, or under the
 * prior without a centre.
 */
export function logProductKernel(
  kernels: CoordinateKernels,
  centre: Codes | undefined,
  codes: Codes,
): number {
  const { encoded, logStay, logElsewhere, logPrior } = kernels;
  const { ordinal, offset } = encoded;
  let sum = 0;
  // The hottest loop of an ask: the plain cases are spelled out ahead of the general one.
  for (let d = 0; d < codes.length; d++) {
    const choice = codes[d]!;
    const at = centre === undefined ? INACTIVE : centre[d]!;
    if (choice === INACTIVE) {
      continue;
    }
    if (at === INACTIVE) {
      sum += logPrior[offset[d]! + choice]!;
    } else if (choice === at) {
      sum += logStay[d]!;
    } else if (ordinal[d] === 0) {
      sum += logElsewhere[d]!;
    } else {
      sum += logKernel(kernels, d, at, choice);
    }
  }
  return sum;
}

/** Draws a choice with the given log probabilities, which need not be normalized. */
function drawChoice(
  random: RandomStream,
  choices: number,
  logProbability: (choice: number) => number,
): number {
  let total = 0;
  for (let k = 0; k < choices; k++) {
    total += Math.exp(logProbability(k));
  }
  let remaining = random.uniform() * total;
  for (let k = 0; k < choices - 1; k++) {
    remaining -= Math.exp(logProbability(k));
    if (remaining < 0) {
      return k;
    }
  }
  return choices - 1;
}

/** Draws a configuration from the product of the kernels around `centre`, or from the prior without a centre. */
export function drawProductKernel(
  kernels: CoordinateKernels,
  centre: Codes | undefined,
  random: RandomStream,
): Codes {
  const { encoded, logStay, logPrior } = kernels;
  const codes = new Int16Array(encoded.size).fill(INACTIVE);
  for (let d = 0; d < encoded.size; d++) {
    if (!isActive(encoded, codes, d)) {
      continue;
    }
    const choices = encoded.cardinality[d]!;
    const at = centre === undefined ? INACTIVE : centre[d]!;
    if (at === INACTIVE) {
      codes[d] = drawChoice(random, choices, (k) => logPrior[encoded.offset[d]! + k]!);
    } else if (random.uniform() < Math.exp(logStay[d]!)) {
      codes[d] = at;
    } else {
      codes[d] = drawChoice(random, choices, (k) =>
        k === at ? Number.NEGATIVE_INFINITY : logKernel(kernels, d, at, k),
      );
    }
  }
  return codes;
}
