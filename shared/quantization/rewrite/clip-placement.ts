import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { Insertion } from "../../onnx/graph/qdq-nodes.js";
import { edited } from "../../onnx/model/edited.js";
import type { NewNames } from "../../onnx/model/new-names.js";
import { DataType, makeTensor } from "../../onnx/model/tensor.js";
import { type Affine, quantize } from "../arithmetic/affine.js";

/** Of UINT8. */
const ALL_LEVELS = 256;

/**
 * A Relu or Clip as Max and Min: behind a quantized MatMul or Gemm, ONNX Runtime waits for a QuantizeLinear after a Relu
 * or Clip, and where none follows that fits, the product stays in float (measured, docs/quantization.md).
 *
 * @param bounds infinite where there is none; or one a channel, as arrays of the shape `dims`
 */
export function spellOutSaturation(
  saturating: NodeProto,
  input: string,
  { low, high }: { readonly low: number | Float32Array; readonly high: number | Float32Array },
  names: NewNames,
  dims: readonly number[] = [],
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const initializers: TensorProto[] = [];
  const bound = (side: string, value: number | Float32Array): string => {
    const name = names.name(`${saturating.name}/${side}`);
    const values = typeof value === "number" ? Float32Array.of(value) : value;
    initializers.push(makeTensor(name, DataType.FLOAT, dims, values));
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

/**
 * Does the work of a Relu or Clip on the codes of a pair of QuantizeLinear and DequantizeLinear, by a Clip of the same
 * name between them: rounding keeps the order, so that clipping before and after it give the same code. Left in float
 * it would keep the op before it in float too.
 *
 * @param affine of the pair; without bounds any will do
 * @param levels fewer than UINT8 has, where the codes are to end at levels - 1
 */
export function clipCodes(
  pair: Insertion,
  saturating: NodeProto,
  { low, high }: { readonly low: number; readonly high: number },
  affine: Affine,
  names: NewNames,
  levels = ALL_LEVELS,
): Pick<Insertion, "nodes" | "initializers"> {
  const initializers = [...pair.initializers];
  const bound = (side: string, value: number): string => {
    if (!Number.isFinite(value) && (side === "low" || levels === ALL_LEVELS)) return "";
    const name = names.name(`${saturating.name}/${side}`);
    const code = quantize(value, affine, 0, levels - 1);
    initializers.push(makeTensor(name, DataType.UINT8, [], Uint8Array.of(code)));
    return name;
  };
  const at = pair.nodes.findIndex(({ opType }) => opType === "QuantizeLinear");
  const [codes] = pair.nodes[at]!.output as [string];
  const clipped = names.name(`${codes}/clipped`);
  const clip = edited(saturating, {
    opType: "Clip",
    input: [codes, bound("low", low), bound("high", high)],
    output: [clipped],
    attribute: [],
  });
  const behind = pair.nodes
    .slice(at + 1)
    .map((node) => edited(node, { input: node.input.map((name) => (name === codes ? clipped : name)) }));
  return { nodes: [...pair.nodes.slice(0, at + 1), clip, ...behind], initializers };
}
