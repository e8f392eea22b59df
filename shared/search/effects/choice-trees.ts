import { type Codes, type EncodedSpace, INACTIVE } from "../space/encoding.js";

/**
 * Upper limit of the number of leaves of a tree, exceeded only where a single parameter has more choices.
 * Measured: half or twice as many is slower.
 */
const MAX_LEAVES = 64;

const NONE = -1;

/**
 * Trees over the parameters of a search space, for fast sums over a configuration's choices. Each tree combines
 * consecutive parameters, with one level per parameter and one leaf per possible combination of their choices.
 * A configuration is one leaf of each tree, so a sum over its choices becomes a sum over its leaves, which are
 * several times fewer. That speeds up the hottest loops of the additive model, which run over all parameters of
 * all observations.
 */
export class ChoiceTrees {
  /** Index of each tree's first parameter and, last, the number of parameters. */
  readonly #firstParameter: readonly number[];
  readonly #roots: readonly number[];
  /**
   * Index of each node's parent; for a root, the extra slot after all nodes. Parents come before their
   * children.
   */
  readonly #parent: Int32Array;
  /**
   * Index of the choice that each node stands for, in an array with one value per choice of all parameters; for
   * an inactive parameter, the extra index after them.
   */
  readonly #choice: Int32Array;
  /** 1 for each node that, itself or by an ancestor, stands for a choice of an active parameter. */
  readonly #holdsAny: Uint8Array;
  /**
   * Children of each node in order of their choice's code, the child for {@link INACTIVE} first; `#nextStart`
   * is the index of a node's first child.
   */
  readonly #next: Int32Array;
  readonly #nextStart: Int32Array;
  /** Cache of a configuration's leaves by its codes array; the codes of a trial never change. */
  readonly #leavesByCodes = new WeakMap<Codes, Int32Array>();

  constructor(encoded: EncodedSpace, maxLeaves = MAX_LEAVES) {
    const grown = growTrees(encoded, maxLeaves);
    this.#firstParameter = [...grown.firstParameter, encoded.size];
    this.#roots = grown.roots;
    const slot = grown.parent.length;
    this.#parent = Int32Array.from(grown.parent, (parent) => (parent === NONE ? slot : parent));
    this.#choice = Int32Array.from(grown.code, (code, node) =>
      code === INACTIVE ? encoded.offset[encoded.size]! : encoded.offset[grown.parameter[node]!]! + code,
    );
    this.#holdsAny = new Uint8Array(grown.parent.length);
    for (const [node, parent] of grown.parent.entries()) {
      const above = parent === NONE ? 0 : this.#holdsAny[parent]!;
      this.#holdsAny[node] = grown.code[node] === INACTIVE ? above : 1;
    }
    this.#next = Int32Array.from(grown.next);
    this.#nextStart = Int32Array.from(grown.nextStart);
  }

  /**
   * Length of an array with one sum per node: the number of nodes and a slot that stands for the parent of the
   * roots.
   */
  get slots(): number {
    return this.#parent.length + 1;
  }

  /**
   * The leaves (node indices, one per tree) of a configuration, without those where no parameter is active.
   * Cached: `codes` must not change.
   */
  leavesOf(codes: Codes): Int32Array {
    let leaves = this.#leavesByCodes.get(codes);
    if (leaves === undefined) {
      leaves = this.#find(codes);
      this.#leavesByCodes.set(codes, leaves);
    }
    return leaves;
  }

  /**
   * Computes for each node the sum of the table's values for the choices on the path from the root to the node.
   *
   * @param table one value per choice, the choices of all parameters concatenated, and a zero after them
   * @param sums receives one sum per node
   */
  sumDown(table: Float64Array, sums: Float64Array): void {
    const parents = this.#parent;
    const choices = this.#choice;
    sums[parents.length] = 0;
    for (let node = 0; node < parents.length; node++) {
      sums[node] = sums[parents[node]!]! + table[choices[node]!]!;
    }
  }

  /**
   * The transpose of {@link sumDown}: adds the value of each leaf to all choices on its path.
   *
   * @param sums values of the leaves, zero elsewhere; overwritten
   * @param table one value per choice of all parameters, added to; the element after them is undefined
   *   afterwards
   */
  sumUp(sums: Float64Array, table: Float64Array): void {
    const parents = this.#parent;
    const choices = this.#choice;
    for (let node = parents.length - 1; node >= 0; node--) {
      const sum = sums[node]!;
      sums[parents[node]!]! += sum;
      table[choices[node]!]! += sum;
    }
  }

  #find(codes: Codes): Int32Array {
    const leaves = new Int32Array(this.#roots.length);
    let found = 0;
    for (let tree = 0; tree < leaves.length; tree++) {
      let node = this.#roots[tree]!;
      for (let d = this.#firstParameter[tree]!; d < this.#firstParameter[tree + 1]!; d++) {
        node = this.#next[this.#nextStart[node]! + 1 + codes[d]!]!;
      }
      if (this.#holdsAny[node] === 1) {
        leaves[found++] = node;
      }
    }
    return found === leaves.length ? leaves : leaves.slice(0, found);
  }
}

const treesOfSpaces = new WeakMap<EncodedSpace, ChoiceTrees>();

/** The choice trees of a search space, cached, so that all models of the space share them. */
export function choiceTrees(encoded: EncodedSpace): ChoiceTrees {
  let trees = treesOfSpaces.get(encoded);
  if (trees === undefined) {
    trees = new ChoiceTrees(encoded);
    treesOfSpaces.set(encoded, trees);
  }
  return trees;
}

/** Choice trees under construction: arrays over the nodes in order of creation, level by level in each tree. */
interface Growth {
  readonly firstParameter: number[];
  readonly roots: number[];
  readonly parent: number[];
  readonly parameter: number[];
  readonly code: number[];
  readonly next: number[];
  readonly nextStart: number[];
}

/**
 * Builds the choice trees: parameters are added to a tree until its leaves would exceed the limit; then a new
 * tree begins.
 */
function growTrees(encoded: EncodedSpace, maxLeaves: number): Growth {
  const growth: Growth = {
    firstParameter: [],
    roots: [],
    parent: [],
    parameter: [],
    code: [],
    next: [],
    nextStart: [],
  };
  let level: number[] = [];
  for (let d = 0; d < encoded.size; d++) {
    const leaves = level.reduce((sum, node) => sum + possibleCodes(encoded, growth, node, d).length, 0);
    if (d === 0 || leaves > maxLeaves) {
      level = [addNode(growth, NONE, d, INACTIVE)];
      growth.firstParameter.push(d);
      growth.roots.push(level[0]!);
    }
    level = level.flatMap((node) => addLevel(encoded, growth, node, d));
  }
  return growth;
}

function addLevel(encoded: EncodedSpace, growth: Growth, node: number, d: number): number[] {
  const start = growth.next.length;
  growth.nextStart[node] = start;
  for (let code = INACTIVE; code < encoded.cardinality[d]!; code++) {
    growth.next.push(NONE);
  }
  return possibleCodes(encoded, growth, node, d).map((code) => {
    const child = addNode(growth, node, d, code);
    growth.next[start + 1 + code] = child;
    return child;
  });
}

function addNode(growth: Growth, parent: number, parameter: number, code: number): number {
  growth.nextStart.push(NONE);
  growth.parameter.push(parameter);
  growth.code.push(code);
  return growth.parent.push(parent) - 1;
}

/**
 * Codes (choice indices) that parameter `d` can have below a tree node. {@link INACTIVE} is one of them where
 * the parameter that `d` depends on belongs to an earlier tree, so that its choice is unknown here.
 */
function possibleCodes(encoded: EncodedSpace, growth: Growth, node: number, d: number): number[] {
  const condition = encoded.parent[d]!;
  const all = Array.from({ length: encoded.cardinality[d]! }, (_, code) => code);
  if (condition < 0) {
    return all;
  }
  let above = node;
  while (growth.parent[above] !== NONE && growth.parameter[above] !== condition) {
    above = growth.parent[above]!;
  }
  if (growth.parent[above] === NONE) {
    return [INACTIVE, ...all];
  }
  const code = growth.code[above]!;
  return code !== INACTIVE && encoded.existsFor[d]![code] === 1 ? all : [INACTIVE];
}
