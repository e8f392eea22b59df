import type { NodeProto } from "onnx-buf";
import type { Consumer, GraphIndex } from "../../../onnx/graph/graph-index.js";
import { SIZE_INPUTS } from "../../../onnx/graph/size-inputs.js";
import { WEIGHTED_TYPES } from "../../../onnx/graph/weighted-ops.js";

const SHAPE_READERS: ReadonlySet<string> = new Set(["Shape", "Size"]);

/**
 * The nodes that compute shapes: Shape and Size, and whatever is made of their outputs and constants alone (POT marks the
 * sub-graphs that start at a ShapeOf as skipped, reference section 4.1) and ends in sizes. A rounded length would be a
 * wrong one. What is data beside that is none where it is a product, since products compute no lengths.
 */
export function findShapeNodes(index: GraphIndex): ReadonlySet<NodeProto> {
  const made = madeOfShapes(index);
  const sizesOnly = new Set<NodeProto>();
  const intoSizes = new Set<NodeProto>();
  for (const node of [...made].reverse()) {
    const readers = node.output.flatMap((tensor) => index.consumers(tensor));
    const isVisible = node.output.some((tensor) => index.isVisibleOutside(tensor));
    if (!isVisible && readers.every((reader) => sizesOnly.has(reader.node) || isSize(reader))) {
      sizesOnly.add(node);
    }
    const isValue = (reader: Consumer): boolean => !SHAPE_READERS.has(reader.node.opType);
    if (readers.some((reader) => isValue(reader) && (intoSizes.has(reader.node) || isSize(reader)))) {
      intoSizes.add(node);
    }
  }
  return new Set(
    [...made].filter(
      (node) => sizesOnly.has(node) || (intoSizes.has(node) && !WEIGHTED_TYPES.has(node.opType)),
    ),
  );
}

/** Whether an input says how large something is, where, or whether at all. */
function isSize({ node, input }: Consumer): boolean {
  return SIZE_INPUTS[node.opType]?.includes(input) ?? false;
}

/** In the order of the graph, so that a node stands behind what it reads. */
function madeOfShapes(index: GraphIndex): ReadonlySet<NodeProto> {
  const made = new Set<NodeProto>();
  for (const node of index.nodes) {
    const computed = node.input.filter((tensor) => tensor !== "" && !index.initializers.has(tensor));
    const isMade = (tensor: string): boolean => {
      const producer = index.producer(tensor);
      return producer !== undefined && made.has(producer);
    };
    if (SHAPE_READERS.has(node.opType) || (computed.length > 0 && computed.every(isMade))) made.add(node);
  }
  return made;
}
