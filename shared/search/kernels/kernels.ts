import type { RandomStream } from "../numerics/random.js";
import { sumAt } from "../numerics/vectors.js";
import { type Codes, type EncodedSpace, INACTIVE, isActive } from "../space/encoding.js";

/** How kernels leave a centre's choice, whatever the probability to do so. */
export interface KernelMoves {
  readonly encoded: EncodedSpace;
  /**
   * How a parameter's choices share out what goes to them, K shares for each choice of the centre with none for that
   * choice, and ahead of them K for a centre where the parameter has no value: its prior. They need not add up to one.
   */
  readonly share: Float64Array;
  /** Where a parameter's shares begin. */
  readonly start: Int32Array;
}

/** Kernels that can be drawn from. */
export interface DrawableKernels {
  readonly moves: KernelMoves;
  /** The probability to leave the centre's choice, the same for every parameter that has another one. */
  readonly mismatch: number;
}

/**
 * A distribution over one whole configuration: what it is built of is independent from parameter to parameter
 * but for their conditions, which the walk in the space's order respects.
 */
export interface CoordinateKernels extends DrawableKernels {
  readonly encoded: EncodedSpace;
  /** Logarithms of the probabilities, one for each share of {@link KernelMoves}. */
  readonly logProbability: Float64Array;
  readonly start: Int32Array;
}

/** Moves of an ordinal parameter reach this share of its range, and at least one step. */
const ORDINAL_REACH = 0.25;

/** Each ask has kernels of its own mismatch, and all of a space move alike. */
const movesOfSpaces = new WeakMap<EncodedSpace, KernelMoves>();

/**
 * Categorical parameters move to any other choice alike; ordinal ones by a discrete normal truncated to the range, so
 * that a move goes to a neighbour first. The prior is uniform.
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
 * Categorical parameters: Aitchison and Aitken's kernel, 1 - b for a match and b / (K - 1) otherwise. Ordinal
 * ones: the same probability to stay, and moves to neighbours first ({@link kernelMoves}; search.md, "The sampler").
 *
 * @param mismatch b, the probability to leave the centre's choice
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

/** How a move from the centre's choice is shared out over the choices; nothing goes to the centre itself. */
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
 * prior where the centre has no value ({@link INACTIVE}).
 */
export function logKernel(kernels: CoordinateKernels, d: number, centre: number, choice: number): number {
  const { start, encoded, logProbability } = kernels;
  return logProbability[start[d]! + (1 + centre) * encoded.cardinality[d]! + choice]!;
}

/** Where the values of a centre stand in a {@link ProductKernelTable}; without a centre those that are not there. */
export function centrePlaces({ offset, size }: EncodedSpace, centre: Codes | undefined): Int32Array {
  const places = new Int32Array(size);
  for (let d = 0; d < size; d++) {
    places[d] = offset[d]! + d + 1 + (centre === undefined ? INACTIVE : centre[d]!);
  }
  return places;
}

/**
 * The product kernels of one configuration around any centre. They are summed up from a table of what each choice of a
 * centre would give, which pays from a few centres on: the hottest loop of an ask has no branch then.
 */
export class ProductKernelTable {
  readonly #kernels: CoordinateKernels;
  /** For each parameter what a centre without a value gives, and one with each choice. */
  readonly #table: Float64Array;

  constructor(kernels: CoordinateKernels) {
    const { offset, size } = kernels.encoded;
    this.#kernels = kernels;
    this.#table = new Float64Array(offset[size]! + size);
  }

  /** Puts another configuration in place of the one before. */
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
   * Logarithm of the configuration's probability around a centre.
   *
   * @param places of the centre ({@link centrePlaces})
   */
  around(places: Int32Array): number {
    return sumAt(this.#table, places);
  }
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
  const table = new ProductKernelTable(kernels);
  table.tabulate(codes);
  return table.around(centrePlaces(kernels.encoded, centre));
}

/** Draws an index by the shares from `start` on, as many as there are choices. */
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
 * Draws a configuration from the product of the kernels around `centre`, or from the prior without a centre.
 *
 * @param codes what it is written to
 */
export function drawProductKernel(
  { moves, mismatch }: DrawableKernels,
  centre: Codes | undefined,
  random: RandomStream,
  codes: Codes = new Int16Array(moves.encoded.size),
): Codes {
  const { encoded, share, start } = moves;
  // Few parameters move: how many stay before the next one does is drawn at once.
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

/** How often in a row an event with this probability fails to happen: geometrically distributed. */
function drawStaying(probability: number, random: RandomStream): number {
  return Math.floor(Math.log1p(-random.uniform()) / Math.log1p(-probability));
}
