import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph-index.js";

const SHAPE_READERS: ReadonlySet<string> = new Set(["Shape", "Size"]);

/**
 * The nodes that compute shapes: Shape and Size, and whatever is made of their outputs and constants alone (POT marks
 * the sub-graphs that start at a ShapeOf as skipped, reference section 4.1). A rounded length would be a wrong one.
 */
export function findShapeNodes(index: GraphIndex): ReadonlySet<NodeProto> {
  const found = new Set<NodeProto>();
  for (const node of index.nodes) {
    const computed = node.input.filter((tensor) => tensor !== "" && !index.initializers.has(tensor));
    const isFound = (tensor: string): boolean => {
      const producer = index.producer(tensor);
      return producer !== undefined && found.has(producer);
    };
    if (SHAPE_READERS.has(node.opType) || (computed.length > 0 && computed.every(isFound))) found.add(node);
  }
  return found;
}
