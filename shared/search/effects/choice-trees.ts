import { type Codes, type EncodedSpace, INACTIVE } from "../space/encoding.js";

/**
 * In spaces up to this size each parameter has a tree of its own, so that sums are taken one parameter after the other:
 * they round as they did when the qualities in docs/search.md were measured.
 */
const LARGEST_SEPARATE = 200;
/** The leaves of a tree, but for that of a single parameter with more choices; with half or twice as many asks are slower. */
const MOST_LEAVES = 64;

const NONE = -1;

/**
 * Neighbouring parameters taken together, in trees with a level a parameter and a leaf for each combination of choices that
 * there can be. A configuration is one leaf of each tree, and what adds up over its parameters is the sum of as many
 * table entries: several times fewer, as the hottest loops of the additive model go over all parameters of all
 * observations.
 */
export class ChoiceTrees {
  /** The first parameter of each tree, and last the number of parameters. */
  readonly #firstParameter: readonly number[];
  readonly #roots: readonly number[];
  /** Of each node; a root's is the slot behind the nodes. Parents come before their children. */
  readonly #parent: Int32Array;
  /** Where each node's choice stands in the row of all choices; behind them for a parameter that does not exist. */
  readonly #choice: Int32Array;
  /** 1 where a parameter exists at the node or above it. */
  readonly #holdsAny: Uint8Array;
  /** The node below each node by code, the one for {@link INACTIVE} first, and where they begin. */
  readonly #next: Int32Array;
  readonly #nextStart: Int32Array;
  /** Of trials, whose codes never change. */
  readonly #known = new WeakMap<Codes, Int32Array>();

  constructor(encoded: EncodedSpace, mostLeaves = encoded.size > LARGEST_SEPARATE ? MOST_LEAVES : 1) {
    const grown = growTrees(encoded, mostLeaves);
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

  /** Length of a table of sums: one a node, and a slot for what is above the roots. */
  get slots(): number {
    return this.#parent.length + 1;
  }

  /** The leaves of a configuration whose codes never change, without those at which no parameter exists. */
  leavesOf(codes: Codes): Int32Array {
    let leaves = this.#known.get(codes);
    if (leaves === undefined) {
      leaves = this.#find(codes);
      this.#known.set(codes, leaves);
    }
    return leaves;
  }

  /**
   * Sums up a table along the way to each node.
   *
   * @param table of all choices in one row, and a zero behind them
   * @param sums what they are written to
   */
  carryDown(table: Float64Array, sums: Float64Array): void {
    const parents = this.#parent;
    const choices = this.#choice;
    sums[parents.length] = 0;
    for (let node = 0; node < parents.length; node++) {
      sums[node] = sums[parents[node]!]! + table[choices[node]!]!;
    }
  }

  /**
   * The transpose of {@link carryDown}: adds what stands at the leaves to the choices that lead there.
   *
   * @param sums zero but at leaves; used up
   * @param table of all choices in one row; what stands behind them afterwards means nothing
   */
  carryBack(sums: Float64Array, table: Float64Array): void {
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

/** The trees of a space, which all its models share. */
export function choiceTrees(encoded: EncodedSpace): ChoiceTrees {
  let trees = treesOfSpaces.get(encoded);
  if (trees === undefined) {
    trees = new ChoiceTrees(encoded);
    treesOfSpaces.set(encoded, trees);
  }
  return trees;
}

/** Nodes in the order in which they grew, level by level in each tree. */
interface Growth {
  readonly firstParameter: number[];
  readonly roots: number[];
  readonly parent: number[];
  readonly parameter: number[];
  readonly code: number[];
  readonly next: number[];
  readonly nextStart: number[];
}

/** A tree takes up parameters as long as its leaves are few. */
function growTrees(encoded: EncodedSpace, mostLeaves: number): Growth {
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
    if (d === 0 || leaves > mostLeaves) {
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

/** The codes that a parameter can have below a node; both existing and not where an earlier tree decides that. */
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
