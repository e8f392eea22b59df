import type { RandomStream } from "../numerics/random.js";
import { sumAt } from "../numerics/vectors.js";
import { type Codes, type EncodedSpace, INACTIVE, isActive } from "../space/encoding.js";

/**
 * Relative probabilities of the choices that a kernel (a distribution around a configuration, its centre) moves
 * to, given that it leaves its centre's choice.
 */
export interface KernelMoves {
  readonly encoded: EncodedSpace;
  /**
   * For each parameter with K choices, K + 1 rows of K unnormalized probabilities: first the prior, for a
   * centre in which the parameter is inactive, then one row per choice of the centre, in which that choice
   * itself has 0.
   */
  readonly share: Float64Array;
  /** Index in `share` of each parameter's first value. */
  readonly start: Int32Array;
}

/** The part of the kernels that is needed to draw configurations from them. */
export interface DrawableKernels {
  readonly moves: KernelMoves;
  /** Probability of leaving the centre's choice, the same for every parameter with at least two choices. */
  readonly mismatch: number;
}

/**
 * The kernels of all parameters. A kernel is a distribution over one parameter's choices around a centre's
 * choice; their product is a distribution over configurations, in which parameters depend on each other
 * through conditions only.
 */
export interface CoordinateKernels extends DrawableKernels {
  readonly encoded: EncodedSpace;
  /** Log probabilities of the choices under the kernels, laid out as {@link KernelMoves.share}. */
  readonly logProbability: Float64Array;
  readonly start: Int32Array;
}

/**
 * Length scale of a kernel's moves between choices of an ordinal parameter, as a share of the distance from its
 * first to its last choice; at least one step.
 */
const ORDINAL_REACH = 0.25;

/** Cache of the moves of each space: its kernels differ in `mismatch` only, which the moves do not depend on. */
const movesOfSpaces = new WeakMap<EncodedSpace, KernelMoves>();

/**
 * The moves of all kernels of a space, cached. Categorical parameters move to all other choices with equal
 * probability; ordinal ones by a truncated discrete normal distribution, so that near choices are more
 * probable. The prior is uniform.
 */
export function kernelMoves(encoded: EncodedSpace): KernelMoves {
  const known = movesOfSpaces.get(encoded);
  if (known !== undefined) {
    return known;
  }
  const { size, cardinality } = encoded;
  const start = new Int32Array(size + 1);
  for (let d = 0; d < size; d++) {
    start[d + 1] = start[d]! + cardinality[d]! * (cardinality[d]! + 1);
  }
  const share = new Float64Array(start[size]!);
  for (let d = 0; d < size; d++) {
    const choices = cardinality[d]!;
    share.fill(1, start[d], start[d]! + choices);
    for (let centre = 0; centre < choices; centre++) {
      share.set(moveShares(encoded, d, centre), start[d]! + (1 + centre) * choices);
    }
  }
  const moves = { encoded, share, start };
  movesOfSpaces.set(encoded, moves);
  return moves;
}

/**
 * Creates the kernels of all parameters. Categorical: Aitchison and Aitken's kernel, 1 - b for the centre's
 * choice and b / (K - 1) for each other. Ordinal: also 1 - b for the centre's choice, and near choices before
 * far ones ({@link kernelMoves}).
 *
 * @param mismatch b, the probability of leaving the centre's choice
 */
export function createKernels(encoded: EncodedSpace, mismatch: number): CoordinateKernels {
  const { size, cardinality } = encoded;
  const moves = kernelMoves(encoded);
  const { share, start } = moves;
  const logProbability = new Float64Array(share.length);
  for (let d = 0; d < size; d++) {
    const choices = cardinality[d]!;
    logProbability.fill(-Math.log(choices), start[d], start[d]! + choices);
    for (let centre = 0; centre < choices; centre++) {
      const row = start[d]! + (1 + centre) * choices;
      const total = sumOf(share, row, row + choices);
      for (let k = 0; k < choices; k++) {
        logProbability[row + k] = Math.log((mismatch * share[row + k]!) / total);
      }
      logProbability[row + centre] = choices === 1 ? 0 : Math.log1p(-mismatch);
    }
  }
  return { encoded, moves, mismatch, logProbability, start };
}

/**
 * Unnormalized probabilities of parameter `d`'s choices after a move away from the centre's choice, which
 * itself has 0.
 */
function moveShares({ cardinality, ordinal }: EncodedSpace, d: number, centre: number): Float64Array {
  const choices = cardinality[d]!;
  const reach = Math.max(1, ORDINAL_REACH * (choices - 1));
  return Float64Array.from({ length: choices }, (_, k) => {
    if (k === centre) return 0;
    return ordinal[d] === 1 ? Math.exp(-0.5 * ((Math.abs(k - centre) - 1) / reach) ** 2) : 1;
  });
}

function sumOf(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k < to; k++) {
    sum += values[k]!;
  }
  return sum;
}

/**
 * Logarithm of the probability of `choice` for parameter `d` under the kernel around `centre`, or under the
 * prior where `centre` is {@link INACTIVE}.
 */
export function logKernel(kernels: CoordinateKernels, d: number, centre: number, choice: number): number {
  const { start, encoded, logProbability } = kernels;
  return logProbability[start[d]! + (1 + centre) * encoded.cardinality[d]! + choice]!;
}

/**
 * Indices of the choices of a centre (the configuration that a kernel surrounds) in a {@link
 * ProductKernelTable}; without a centre, of the prior's entries.
 */
export function centreIndices({ offset, size }: EncodedSpace, centre: Codes | undefined): Int32Array {
  const indices = new Int32Array(size);
  for (let d = 0; d < size; d++) {
    indices[d] = offset[d]! + d + 1 + (centre === undefined ? INACTIVE : centre[d]!);
  }
  return indices;
}

/**
 * Table of one configuration's log probabilities, from which its log probability under the product kernel
 * around any centre is a plain sum. It has one entry per possible choice of a centre, which keeps branches out
 * of the hottest loop of a proposal.
 */
export class ProductKernelTable {
  readonly #kernels: CoordinateKernels;
  /**
   * For each parameter the log probability of the tabulated configuration's choice: first under a centre
   * without the parameter, then under a centre with each choice.
   */
  readonly #table: Float64Array;

  constructor(kernels: CoordinateKernels) {
    const { offset, size } = kernels.encoded;
    this.#kernels = kernels;
    this.#table = new Float64Array(offset[size]! + size);
  }

  /** Fills the table for a configuration. */
  tabulate(codes: Codes): void {
    const { encoded, logProbability, start } = this.#kernels;
    const { offset, cardinality } = encoded;
    const table = this.#table;
    for (let d = 0; d < codes.length; d++) {
      const choice = codes[d]!;
      const choices = cardinality[d]!;
      const first = offset[d]! + d;
      for (let row = 0; row <= choices; row++) {
        table[first + row] = choice === INACTIVE ? 0 : logProbability[start[d]! + row * choices + choice]!;
      }
    }
  }

  /**
   * Logarithm of the configuration's probability under the product kernel around a centre.
   *
   * @param indices indices of the centre ({@link centreIndices})
   */
  around(indices: Int32Array): number {
    return sumAt(this.#table, indices);
  }
}

/**
 * Logarithm of the probability of a configuration under the product kernel around `centre`, or under the
 * prior without a centre.
 */
export function logProductKernel(
  kernels: CoordinateKernels,
  centre: Codes | undefined,
  codes: Codes,
): number {
  const table = new ProductKernelTable(kernels);
  table.tabulate(codes);
  return table.around(centreIndices(kernels.encoded, centre));
}

/**
 * Draws a choice at random, with probabilities proportional to `choices` values of `share` from `start` on;
 * returns its index.
 */
function drawShare(random: RandomStream, share: Float64Array, start: number, choices: number): number {
  let remaining = random.uniform() * sumOf(share, start, start + choices);
  let last = 0;
  for (let k = 0; k < choices; k++) {
    const own = share[start + k]!;
    if (own > 0) {
      remaining -= own;
      last = k;
      if (remaining < 0) {
        break;
      }
    }
  }
  return last;
}

/**
 * Draws a configuration from the product kernel around `centre`, or from the prior without a centre.
 *
 * @param codes receives the result
 */
export function drawProductKernel(
  { moves, mismatch }: DrawableKernels,
  centre: Codes | undefined,
  random: RandomStream,
  codes: Codes = new Int16Array(moves.encoded.size),
): Codes {
  const { encoded, share, start } = moves;
  // Few parameters move, so the number that stay until the next move is drawn at once instead of one by one.
  let staying = drawStaying(mismatch, random);
  for (let d = 0; d < encoded.size; d++) {
    if (!isActive(encoded, codes, d)) {
      codes[d] = INACTIVE;
      continue;
    }
    const choices = encoded.cardinality[d]!;
    const at = centre === undefined ? INACTIVE : centre[d]!;
    if (at !== INACTIVE && (choices === 1 || staying-- > 0)) {
      codes[d] = at;
      continue;
    }
    codes[d] = drawShare(random, share, start[d]! + (1 + at) * choices, choices);
    if (at !== INACTIVE) {
      staying = drawStaying(mismatch, random);
    }
  }
  return codes;
}

/**
 * Random number of parameters that keep the centre's choice before the next one moves: geometrically
 * distributed.
 */
function drawStaying(probability: number, random: RandomStream): number {
  return Math.floor(Math.log1p(-random.uniform()) / Math.log1p(-probability));
}
