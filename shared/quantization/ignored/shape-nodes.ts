import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph-index.js";

const SHAPE_READERS: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** Inputs that say how large something is, where, or whether at all: what they are given shows in no value. */
const SIZE_INPUTS: Readonly<Record<string, readonly number[]>> = {
  AffineGrid: [1],
  BlackmanWindow: [0],
  CenterCropPad: [1],
  Col2Im: [1, 2],
  Compress: [1],
  ConstantOfShape: [0],
  CumSum: [1],
  DFT: [1, 2],
  Expand: [1],
  Gather: [1],
  GatherElements: [1],
  GatherND: [1],
  HammingWindow: [0],
  HannWindow: [0],
  If: [0],
  Loop: [0, 1],
  OneHot: [0, 1],
  Pad: [1, 3],
  Range: [0, 1, 2],
  ReduceL1: [1],
  ReduceL2: [1],
  ReduceLogSum: [1],
  ReduceLogSumExp: [1],
  ReduceMax: [1],
  ReduceMean: [1],
  ReduceMin: [1],
  ReduceProd: [1],
  ReduceSum: [1],
  ReduceSumSquare: [1],
  Reshape: [1],
  Resize: [1, 2, 3],
  ReverseSequence: [1],
  RoiAlign: [2],
  ScatterElements: [1],
  ScatterND: [1],
  SequenceAt: [1],
  Shape: [0],
  Size: [0],
  Slice: [1, 2, 3, 4],
  Split: [1],
  SplitToSequence: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
  Upsample: [1],
  Where: [0],
};

/**
 * The nodes that compute shapes and nothing else: Shape and Size, and whatever is made of their outputs and constants
 * alone (POT marks the sub-graphs that start at a ShapeOf as skipped, reference section 4.1) and ends in sizes. A rounded
 * length would be a wrong one.
 */
export function findShapeNodes(index: GraphIndex): ReadonlySet<NodeProto> {
  const made = madeOfShapes(index);
  const found = new Set<NodeProto>();
  for (const node of [...made].reverse()) {
    const isSize = (tensor: string): boolean =>
      !index.isVisibleOutside(tensor) &&
      index
        .consumers(tensor)
        .every(
          (consumer) =>
            found.has(consumer.node) ||
            (SIZE_INPUTS[consumer.node.opType]?.includes(consumer.input) ?? false),
        );
    if (node.output.every(isSize)) found.add(node);
  }
  return found;
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
