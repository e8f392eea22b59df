import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";

/**
 * A sub-graph pattern, written from its last node upwards, because a tensor has one producer but any number
 * of consumers. Operands of commutative ops match in any order, and the single operand of a Concat matches
 * any of its inputs.
 */
export type NodePattern =
  | {
      readonly kind: "op";
      readonly types: readonly string[];
      /** Patterns of the node's first inputs; further inputs may be anything. */
      readonly operands: readonly NodePattern[];
      /** Whether a matched node is part of the result, or only context. */
      readonly found: boolean;
    }
  | { readonly kind: "either"; readonly patterns: readonly NodePattern[] }
  /**
   * A named tensor: all occurrences of the name must be the same tensor; `pattern` is checked at the first
   * one.
   */
  | { readonly kind: "tensor"; readonly name: string; readonly pattern: NodePattern }
  | { readonly kind: "constant" | "graph input" | "anything" };

/** A partial match of a pattern: the nodes and tensors matched so far. */
interface Match {
  readonly found: readonly NodeProto[];
  /** Names of inner tensors, which nodes of the pattern both produce and read. */
  readonly inner: readonly string[];
  readonly tensors: ReadonlyMap<string, string>;
}

const NOTHING: Match = { found: [], inner: [], tensors: new Map() };

const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min"]);

/** Pattern of a node that is part of the match's result. */
export function op(types: string | readonly string[], ...operands: readonly NodePattern[]): NodePattern {
  return { kind: "op", types: [types].flat(), operands, found: true };
}

/** Pattern of a node that must be present but is not part of the match's result. */
export function context(types: string | readonly string[], ...operands: readonly NodePattern[]): NodePattern {
  return { kind: "op", types: [types].flat(), operands, found: false };
}

export function either(...patterns: readonly NodePattern[]): NodePattern {
  return { kind: "either", patterns };
}

/** Pattern of an optional node: a node that reads the operand, or the operand itself. */
export function maybe(types: string | readonly string[], operand: NodePattern): NodePattern {
  return either(op(types, operand), operand);
}

/** Pattern of a named tensor: the same tensor wherever the name occurs in a pattern. */
export function tensor(name: string, pattern: NodePattern = anything): NodePattern {
  return { kind: "tensor", name, pattern };
}

export const constant: NodePattern = { kind: "constant" };
export const graphInput: NodePattern = { kind: "graph input" };
export const anything: NodePattern = { kind: "anything" };

/** A pattern with conditions on its surroundings. */
export interface PlacedPattern {
  readonly pattern: NodePattern;
  /** Whether the pattern matches only where its last node produces an output of the model. */
  readonly atOutput?: true;
  /** Whether the pattern matches only where no node outside it reads an inner tensor. */
  readonly unbranched?: true;
}

/** The result nodes of all matches of a pattern in a graph. */
export function findMatches(placed: PlacedPattern, index: GraphIndex): ReadonlySet<NodeProto> {
  const found = new Set<NodeProto>();
  for (const last of index.nodes) for (const node of matchAt(placed, last, index)) found.add(node);
  return found;
}

function matchAt(
  { pattern, atOutput, unbranched }: PlacedPattern,
  last: NodeProto,
  index: GraphIndex,
): readonly NodeProto[] {
  if (atOutput === true && !last.output.some((made) => index.outputs.has(made))) return [];
  const branches = (made: string): boolean =>
    index.isVisibleOutside(made) || index.consumers(made).length !== 1;
  for (const { found, inner } of matchNode(pattern, last, index, NOTHING)) {
    if (unbranched !== true || !inner.some(branches)) return found;
  }
  return [];
}

/** Yields every extension of the partial match `so` in which the pattern matches a tensor and its producers. */
function* matchTensor(
  pattern: NodePattern,
  name: string,
  index: GraphIndex,
  so: Match,
): Generator<Match, void, undefined> {
  switch (pattern.kind) {
    case "anything":
      if (name !== "") yield so;
      return;
    case "constant":
      if (index.initializers.has(name)) yield so;
      return;
    case "graph input":
      if (index.inputs.includes(name)) yield so;
      return;
    case "either":
      for (const alternative of pattern.patterns) yield* matchTensor(alternative, name, index, so);
      return;
    case "tensor": {
      const known = so.tensors.get(pattern.name);
      if (known !== undefined) {
        if (known === name) yield so;
        return;
      }
      if (name === "" || index.initializers.has(name)) return;
      const tensors = new Map(so.tensors).set(pattern.name, name);
      yield* matchTensor(pattern.pattern, name, index, { ...so, tensors });
      return;
    }
    case "op": {
      const producer = index.producer(name);
      if (producer === undefined) return;
      yield* matchNode(pattern, producer, index, { ...so, inner: [...so.inner, name] });
    }
  }
}

function* matchNode(
  pattern: NodePattern,
  node: NodeProto,
  index: GraphIndex,
  so: Match,
): Generator<Match, void, undefined> {
  if (pattern.kind === "either") {
    for (const alternative of pattern.patterns) yield* matchNode(alternative, node, index, so);
    return;
  }
  if (
    pattern.kind !== "op" ||
    (node.domain !== "" && node.domain !== "ai.onnx") ||
    !pattern.types.includes(node.opType)
  )
    return;
  const found = pattern.found ? [...so.found, node] : so.found;
  for (const inputs of operandOrders(node))
    yield* matchOperands(pattern.operands, inputs, index, { ...so, found });
}

function operandOrders({ opType, input }: NodeProto): readonly (readonly string[])[] {
  if (COMMUTATIVE.has(opType)) return [input, input.toReversed()];
  return opType === "Concat" ? input.map((part) => [part]) : [input];
}

function* matchOperands(
  [first, ...others]: readonly NodePattern[],
  [input, ...inputs]: readonly string[],
  index: GraphIndex,
  so: Match,
): Generator<Match, void, undefined> {
  if (first === undefined) {
    yield so;
    return;
  }
  if (input === undefined) return;
  for (const match of matchTensor(first, input, index, so))
    yield* matchOperands(others, inputs, index, match);
}
