import type { GraphProto, NodeProto } from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { capturedTensors } from "../graph/graph-index.js";
import { nestedGraphs } from "../model/attributes.js";

/**
 * Sorts the nodes of a graph and of nested bodies topologically, in place. ONNX requires this order, ONNX
 * Runtime does not. A graph that is in order keeps its order.
 *
 * @param origin how errors name the model
 * @throws {ModelError} when the graph has a cycle
 */
export function sortNodes(graph: GraphProto, origin: string): void {
  for (const node of graph.node) {
    for (const body of nestedGraphs(node)) sortNodes(body, origin);
  }
  const producers = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const name of node.output) if (name !== "") producers.set(name, node);
  }
  const sorted = new Set<NodeProto>();
  for (const node of graph.node) addAfterSources(node, producers, sorted, origin);
  graph.node = [...sorted];
}

/**
 * A node on the stack of the depth-first search, the tensors that it reads, and the index of the next one to
 * follow.
 */
interface Visit {
  readonly node: NodeProto;
  readonly sources: readonly string[];
  next: number;
}

/**
 * Adds a node to the sorted ones after the nodes that make its inputs: a depth-first search with an explicit
 * stack, because chains of nodes can exceed JavaScript's call stack.
 */
function addAfterSources(
  start: NodeProto,
  producers: ReadonlyMap<string, NodeProto>,
  sorted: Set<NodeProto>,
  origin: string,
): void {
  if (sorted.has(start)) return;
  const visits: Visit[] = [visit(start)];
  const open = new Set<NodeProto>([start]);
  while (visits.length > 0) {
    const current = visits.at(-1)!;
    const source = current.sources[current.next++];
    if (source === undefined) {
      sorted.add(current.node);
      open.delete(current.node);
      visits.pop();
      continue;
    }
    const producer = producers.get(source);
    if (producer === undefined || sorted.has(producer)) continue;
    if (open.has(producer)) {
      throw new ModelError(
        `${origin} has nodes in a cycle: ${current.node.opType} "${current.node.name}" reads "${source}", which is made of its own output; export the model again.`,
      );
    }
    open.add(producer);
    visits.push(visit(producer));
  }
}

function visit(node: NodeProto): Visit {
  return { node, sources: [...node.input, ...capturedTensors(node)], next: 0 };
}
