import type { GraphProto, SparseTensorProto, TensorProto } from "onnx-buf";
import { nestedGraphs } from "./attributes.js";

/**
 * All constants of a graph and of the bodies nested in it: initializers and tensors in attributes, each once.
 */
export interface ModelTensors {
  readonly dense: ReadonlySet<TensorProto>;
  readonly sparse: ReadonlySet<SparseTensorProto>;
}

/** A graph, or the body of a local function, which has no initializers. */
export type TensorHolder = Pick<GraphProto, "node"> &
  Partial<Pick<GraphProto, "initializer" | "sparseInitializer">>;

export function modelTensors(graph: TensorHolder): ModelTensors {
  const dense = new Set<TensorProto>();
  const sparse = new Set<SparseTensorProto>();
  const visit = ({ node, initializer = [], sparseInitializer = [] }: TensorHolder): void => {
    for (const tensor of initializer) dense.add(tensor);
    for (const tensor of sparseInitializer) sparse.add(tensor);
    for (const each of node) {
      for (const { t, tensors, sparseTensor, sparseTensors } of each.attribute) {
        if (t !== undefined) dense.add(t);
        for (const tensor of tensors) dense.add(tensor);
        if (sparseTensor !== undefined) sparse.add(sparseTensor);
        for (const tensor of sparseTensors) sparse.add(tensor);
      }
      nestedGraphs(each).forEach(visit);
    }
  };
  visit(graph);
  return { dense, sparse };
}
