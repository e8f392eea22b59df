import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";

/**
 * A sub-graph to look for, written from its last node upwards: producers are unique, consumers are not. Operands of
 * commutative ops may stand in any order, and the one operand of a Concat is any of its parts.
 */
export type NodePattern =
  | {
      readonly kind: "op";
      readonly types: readonly string[];
      /** Of the node's first inputs; further ones may be anything. */
      readonly operands: readonly NodePattern[];
      /** Whether the node is part of the find, or only stands around it. */
      readonly found: boolean;
    }
  | { readonly kind: "either"; readonly patterns: readonly NodePattern[] }
  /** A tensor that is met again; the pattern that it has to fit is checked where it is met first. */
  | { readonly kind: "tensor"; readonly name: string; readonly pattern: NodePattern }
  | { readonly kind: "constant" | "graph input" | "anything" };

/** What a pattern was matched with so far. */
interface Match {
  readonly found: readonly NodeProto[];
  /** The tensors inside: made and read by nodes of the pattern. */
  readonly inner: readonly string[];
  readonly tensors: ReadonlyMap<string, string>;
}

const NOTHING: Match = { found: [], inner: [], tensors: new Map() };

const COMMUTATIVE: ReadonlySet<string> = new Set(["Add", "Mul", "Max", "Min"]);

/** A node that is part of the find. */
export function op(types: string | readonly string[], ...operands: readonly NodePattern[]): NodePattern {
  return { kind: "op", types: [types].flat(), operands, found: true };
}

/** A node that has to be there, and is no part of the find. */
export function beside(types: string | readonly string[], ...operands: readonly NodePattern[]): NodePattern {
  return { kind: "op", types: [types].flat(), operands, found: false };
}

export function either(...patterns: readonly NodePattern[]): NodePattern {
  return { kind: "either", patterns };
}

/** The node on top of the operand, or the operand by itself. */
export function maybe(types: string | readonly string[], operand: NodePattern): NodePattern {
  return either(op(types, operand), operand);
}

/** One tensor, however often it stands in a pattern. */
export function tensor(name: string, pattern: NodePattern = anything): NodePattern {
  return { kind: "tensor", name, pattern };
}

export const constant: NodePattern = { kind: "constant" };
export const graphInput: NodePattern = { kind: "graph input" };
export const anything: NodePattern = { kind: "anything" };

/** A pattern and where it counts. */
export interface PlacedPattern {
  readonly pattern: NodePattern;
  /** Only where the last node makes an output of the model. */
  readonly atOutput?: true;
  /** Only where nobody outside reads what is inside. */
  readonly unbranched?: true;
}

/** The nodes of a graph that are found by the pattern, wherever it matches. */
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

/** Every way in which a tensor and what it is made from fit the pattern. */
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
