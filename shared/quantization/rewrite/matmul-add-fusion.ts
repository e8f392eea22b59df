import type { NodeProto } from "onnx-buf";
import { edited } from "../../onnx/model/edited.js";
import type { OperandView, TensorInfo } from "../graph/quantizable-ops.js";

/** An Add that is the only reader of a product, and the index of the Add's input that is the product. */
export interface AddedProduct {
  readonly add: NodeProto;
  readonly input: number;
}

/**
 * The Add that ONNX Runtime 1.30 fuses with a MatMul to a Gemm (MatMulAddFusion): the only reader of the
 * product, of two matrices or with a left operand of static shape, whose other operand has at most two
 * dimensions. Such a Gemm uses an integer kernel only where the sum is quantized, and otherwise runs in
 * float.
 */
export function fusibleAdd(product: NodeProto, { index, tensors }: OperandView): AddedProduct | undefined {
  const [output = ""] = product.output;
  const [reader, ...others] = index.consumers(output);
  if (product.opType !== "MatMul" || reader?.node.opType !== "Add" || reader.node.domain !== "")
    return undefined;
  if (others.length > 0 || index.isVisibleOutside(output)) return undefined;
  const [left, right] = product.input.map((name) => shapeOf(name, tensors, index));
  if (right !== undefined && right.length !== 2) return undefined;
  const isStatic = left?.every((length) => typeof length === "number") ?? true;
  if (left !== undefined && left.length !== 2 && !isStatic) return undefined;
  const added = shapeOf(reader.node.input[1 - reader.input] ?? "", tensors, index);
  if (added !== undefined && added.length > 2) return undefined;
  return { add: reader.node, input: reader.input };
}

/** Whether an Add adds a constant vector to a product, which a QGemm supports as its bias. */
export function addsBias({ add, input }: AddedProduct, { index }: OperandView): boolean {
  return index.initializers.get(add.input[1 - input] ?? "")?.dims.length === 1;
}

/** The Add node as a Sum, which ONNX Runtime does not fuse with a MatMul. */
export function asSum(add: NodeProto): NodeProto {
  return edited(add, { opType: "Sum" });
}

function shapeOf(
  name: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  { initializers }: OperandView["index"],
): readonly (number | string)[] | undefined {
  return initializers.get(name)?.dims.map(Number) ?? tensors.get(name)?.shape;
}
