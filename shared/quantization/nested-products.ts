import type { NodeProto, TensorProto } from "onnx-buf";
import { nestedGraphs } from "../onnx/attributes.js";
import { dimensions, elementCount } from "../onnx/tensor.js";
import { WEIGHTED_TYPES } from "../onnx/weighted-ops.js";

/** A weighted op in a body of `If`, `Loop` or `Scan`, where nothing is quantized. */
export interface NestedProduct {
  readonly type: string;
  /** Elements of its constant weights; `undefined` where it has none. */
  readonly parameters: number | undefined;
}

/**
 * The weighted ops in the bodies of a node, at any depth.
 * @param outer constants that bodies see outside
 */
export function nestedProducts(
  node: NodeProto,
  outer: ReadonlyMap<string, TensorProto>,
): readonly NestedProduct[] {
  return nestedGraphs(node).flatMap((body) => {
    const constants = new Map(outer);
    for (const tensor of body.initializer) constants.set(tensor.name, tensor);
    for (const { opType, attribute, output } of body.node) {
      const value = opType === "Constant" ? attribute.find(({ name }) => name === "value")?.t : undefined;
      if (value !== undefined) constants.set(output[0] ?? "", value);
    }
    return body.node.flatMap((inner) => [
      ...(WEIGHTED_TYPES.has(inner.opType)
        ? [{ type: inner.opType, parameters: weightSize(inner, constants) }]
        : []),
      ...nestedProducts(inner, constants),
    ]);
  });
}

function weightSize(node: NodeProto, constants: ReadonlyMap<string, TensorProto>): number | undefined {
  const name = node.input.slice(0, 2).find((input) => constants.has(input));
  return name === undefined ? undefined : elementCount(dimensions(constants.get(name)!));
}
