import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";
import { WEIGHTED_TYPES } from "../../../onnx/graph/weighted-ops.js";

/** Where boxes and scores are chosen from: a rounded score changes the order, a rounded corner the overlap. */
const CHOOSERS: ReadonlySet<string> = new Set(["NonMaxSuppression", "TopK"]);

/** Everything upstream of a NonMaxSuppression or TopK, up to the weighted ops that it starts from (reference section 4.4). */
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
