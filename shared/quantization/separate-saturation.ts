import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { edited } from "../onnx/edited.js";
import type { NewNames } from "../onnx/new-names.js";
import { DataType, makeTensor } from "../onnx/tensor.js";

/**
 * A Relu or Clip as Max and Min: behind a quantized MatMul or Gemm, ONNX Runtime waits for a QuantizeLinear after a Relu
 * or Clip, and where none follows that fits, the product stays in float (measured, docs/quantization.md).
 *
 * @param bounds infinite where there is none
 */
export function spellOutSaturation(
  saturating: NodeProto,
  input: string,
  { low, high }: { readonly low: number; readonly high: number },
  names: NewNames,
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const initializers: TensorProto[] = [];
  const bound = (side: string, value: number): string => {
    const name = names.name(`${saturating.name}/${side}`);
    initializers.push(makeTensor(name, DataType.FLOAT, [], Float32Array.of(value)));
    return name;
  };
  const as = (opType: string, inputs: string[]): NodeProto =>
    edited(saturating, { opType, input: inputs, attribute: [] });
  if (low === Number.NEGATIVE_INFINITY) {
    const inputs = high === Number.POSITIVE_INFINITY ? [input] : [input, bound("high", high)];
    return { nodes: [as(inputs.length === 1 ? "Identity" : "Min", inputs)], initializers };
  }
  if (high === Number.POSITIVE_INFINITY) {
    return { nodes: [as("Max", [input, bound("low", low)])], initializers };
  }
  const raised = names.name(`${saturating.name}/raised`);
  const raise = create(NodeProtoSchema, {
    opType: "Max",
    name: raised,
    input: [input, bound("low", low)],
    output: [raised],
  });
  return { nodes: [raise, as("Min", [raised, bound("high", high)])], initializers };
}
