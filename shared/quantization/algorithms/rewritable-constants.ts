import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, dimensions, makeTensor } from "../../onnx/model/tensor.js";

/** Whether a constant is of floats and read by one node alone, so that it can be rewritten. */
export function isRewritable(name: string, index: GraphIndex): boolean {
  return (
    index.initializers.get(name)?.dataType === DataType.FLOAT &&
    index.consumers(name).length === 1 &&
    !index.isVisibleOutside(name)
  );
}

/** Whether a node's weights and bias are constants that can be rewritten. */
export function ownsConstants(node: NodeProto, index: GraphIndex): boolean {
  return node.input
    .slice(1)
    .filter((name) => name !== "")
    .every((name) => isRewritable(name, index));
}

/** The model with new values of some float constants. */
export function withConstants(model: Model, values: ReadonlyMap<string, Float32Array>): Model {
  const initializer = model.graph.initializer.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined
      ? tensor
      : makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), changed);
  });
  return edited(model, { graph: edited(model.graph, { initializer }) });
}
