import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { DataType } from "../../onnx/model/tensor.js";

/** Whether a node's weights and bias are float constants that nobody else reads, so that they can be rewritten. */
export function ownsConstants(node: NodeProto, index: GraphIndex): boolean {
  return node.input
    .slice(1)
    .filter((name) => name !== "")
    .every(
      (name) =>
        index.initializers.get(name)?.dataType === DataType.FLOAT &&
        index.consumers(name).length === 1 &&
        !index.isVisibleOutside(name),
    );
}
