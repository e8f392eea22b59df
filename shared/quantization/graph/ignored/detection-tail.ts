import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";
import { WEIGHTED_TYPES } from "../../../onnx/graph/weighted-ops.js";

/**
 * Ops that select boxes by score and overlap: rounded scores change the order, rounded corners the overlap.
 */
const CHOOSERS: ReadonlySet<string> = new Set(["NonMaxSuppression", "TopK"]);

/**
 * The detection tail of a model: all nodes between the last weighted ops and a NonMaxSuppression or TopK, which
 * are left in float (docs/reference/algorithms.md, "Ignored nodes").
 */
export function findDetectionTail(index: GraphIndex): ReadonlySet<NodeProto> {
  const tail = new Set<NodeProto>();
  const waiting = index.nodes.filter(({ opType }) => CHOOSERS.has(opType));
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (tail.has(node) || WEIGHTED_TYPES.has(node.opType)) continue;
    tail.add(node);
    for (const tensor of node.input) {
      const producer = index.producer(tensor);
      if (producer !== undefined) waiting.push(producer);
    }
  }
  return tail;
}
