import { type Codes, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";
import type { RandomStream } from "./random.js";
import { sumAt } from "./vectors.js";

/**
 * A distribution over one whole configuration: what it is built of is independent from parameter to parameter
 * but for their conditions, which the walk in the space's order respects.
 */
export interface CoordinateKernels {
  readonly encoded: EncodedSpace;
  /** The probability to leave the centre's choice, the same for every parameter that has another one. */
  readonly mismatch: number;
  /**
   * Logarithms of the probabilities of a parameter's choices, K of them for each choice of the centre, and ahead of them
   * K for a centre where the parameter has no value: its prior.
   */
  readonly logProbability: Float64Array;
  /** Where a parameter's probabilities begin. */
  readonly start: Int32Array;
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
  const { size, cardinality, offset } = encoded;
  const start = new Int32Array(size + 1);
  for (let d = 0; d < size; d++) {
    start[d + 1] = start[d]! + cardinality[d]! * (cardinality[d]! + 1);
  }
  const logProbability = new Float64Array(start[size]!);
  for (let d = 0; d < size; d++) {
    const choices = cardinality[d]!;
    for (let k = 0; k < choices; k++) {
      logProbability[start[d]! + k] = -Math.log(prior === undefined ? choices : 1 / prior[offset[d]! + k]!);
    }
    for (let centre = 0; centre < choices; centre++) {
      const row = start[d]! + (1 + centre) * choices;
      const shares = moveShares(encoded, d, centre);
      const total = shares.reduce((sum, share) => sum + share, 0);
      for (let k = 0; k < choices; k++) {
        logProbability[row + k] = Math.log((mismatch * shares[k]!) / total);
      }
      logProbability[row + centre] = choices === 1 ? 0 : Math.log1p(-mismatch);
    }
  }
  return { encoded, mismatch, logProbability, start };
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

/**
 * Draws a configuration from the product of the kernels around `centre`, or from the prior without a centre.
 *
 * @param codes what it is written to
 */
export function drawProductKernel(
  kernels: CoordinateKernels,
  centre: Codes | undefined,
  random: RandomStream,
  codes: Codes = new Int16Array(kernels.encoded.size),
): Codes {
  const { encoded } = kernels;
  // Few parameters move: how many stay before the next one does is drawn at once.
  let staying = drawStaying(kernels.mismatch, random);
  for (let d = 0; d < encoded.size; d++) {
    if (!isActive(encoded, codes, d)) {
      codes[d] = INACTIVE;
      continue;
    }
    const choices = encoded.cardinality[d]!;
    const at = centre === undefined ? INACTIVE : centre[d]!;
    if (at === INACTIVE) {
      codes[d] = drawChoice(random, choices, (k) => logKernel(kernels, d, INACTIVE, k));
    } else if (choices === 1 || staying-- > 0) {
      codes[d] = at;
    } else {
      codes[d] = drawChoice(random, choices, (k) =>
        k === at ? Number.NEGATIVE_INFINITY : logKernel(kernels, d, at, k),
      );
      staying = drawStaying(kernels.mismatch, random);
    }
  }
  return codes;
}

/** How often in a row an event with this probability fails to happen: geometrically distributed. */
function drawStaying(probability: number, random: RandomStream): number {
  return Math.floor(Math.log1p(-random.uniform()) / Math.log1p(-probability));
}
