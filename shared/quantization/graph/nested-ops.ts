import type { NodeProto, TensorProto } from "onnx-buf";
import { RECURRENT_TYPES, WEIGHTED_TYPES } from "../../onnx/graph/weighted-ops.js";
import { nestedGraphs } from "../../onnx/model/attributes.js";
import { dimensions, elementCount } from "../../onnx/model/tensor.js";

/** A weighted or recurrent op in a body (sub-graph) of `If`, `Loop` or `Scan`, in which nothing is quantized. */
export interface NestedOp {
  readonly type: string;
  /** Number of elements of a weighted op's constant weights; `undefined` where it has none. */
  readonly parameters: number | undefined;
}

/**
 * The weighted and recurrent ops in the bodies (sub-graphs) of a control-flow node, at any depth.
 *
 * @param outer constants of the enclosing graphs, which bodies can read
 */
export function nestedOps(node: NodeProto, outer: ReadonlyMap<string, TensorProto>): readonly NestedOp[] {
  return nestedGraphs(node).flatMap((body) => {
    const constants = new Map(outer);
    for (const tensor of body.initializer) constants.set(tensor.name, tensor);
    for (const { opType, attribute, output } of body.node) {
      const value = opType === "Constant" ? attribute.find(({ name }) => name === "value")?.t : undefined;
      if (value !== undefined) constants.set(output[0] ?? "", value);
    }
    return body.node.flatMap((inner) => [...describe(inner, constants), ...nestedOps(inner, constants)]);
  });
}

function describe(node: NodeProto, constants: ReadonlyMap<string, TensorProto>): NestedOp[] {
  const { opType: type, input } = node;
  if (RECURRENT_TYPES.has(type)) return [{ type, parameters: undefined }];
  if (!WEIGHTED_TYPES.has(type)) return [];
  const name = input.slice(0, 2).find((tensor) => constants.has(tensor));
  const parameters = name === undefined ? undefined : elementCount(dimensions(constants.get(name)!));
  return [{ type, parameters }];
}
