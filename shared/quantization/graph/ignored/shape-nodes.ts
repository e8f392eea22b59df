import type { NodeProto } from "onnx-buf";
import type { Consumer, GraphIndex } from "../../../onnx/graph/graph-index.js";
import { SIZE_INPUTS } from "../../../onnx/graph/size-inputs.js";
import { WEIGHTED_TYPES } from "../../../onnx/graph/weighted-ops.js";

const SHAPE_READERS: ReadonlySet<string> = new Set(["Shape", "Size"]);

/**
 * The nodes that compute shapes, which must not be rounded and so stay in float: Shape, Size, and nodes
 * computed only from their outputs and constants that lead to an input that is a size. A weighted op counts
 * only if all its results are sizes, since products normally compute data.
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

/** Whether this input of a node is a size, position or condition and not data. */
function isSize({ node, input }: Consumer): boolean {
  return SIZE_INPUTS[node.opType]?.includes(input) ?? false;
}

/** Shape and Size nodes and all nodes computed only from their outputs and constants, in topological order. */
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
