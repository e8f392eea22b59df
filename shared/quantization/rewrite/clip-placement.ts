import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { Insertion } from "../../onnx/graph/qdq-nodes.js";
import { edited } from "../../onnx/model/edited.js";
import type { NewNames } from "../../onnx/model/new-names.js";
import { DataType, makeTensor } from "../../onnx/model/tensor.js";
import { type Affine, quantize } from "../arithmetic/affine.js";

/** Number of codes of UINT8. */
const ALL_LEVELS = 256;

/**
 * Replaces a Relu or Clip by Max and Min. After a quantized MatMul or Gemm, ONNX Runtime fuses Relu and Clip
 * only if a matching QuantizeLinear follows, and otherwise leaves the product in float
 * (docs/reference/onnx-runtime.md, "Fusions").
 *
 * @param bounds infinite where there is no bound; arrays of shape `dims` for bounds per channel
 */
export function clipAsMinMax(
  clip: NodeProto,
  input: string,
  { low, high }: { readonly low: number | Float32Array; readonly high: number | Float32Array },
  names: NewNames,
  dims: readonly number[] = [],
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const initializers: TensorProto[] = [];
  const bound = (side: string, value: number | Float32Array): string => {
    const name = names.name(`${clip.name}/${side}`);
    const values = typeof value === "number" ? Float32Array.of(value) : value;
    initializers.push(makeTensor(name, DataType.FLOAT, dims, values));
    return name;
  };
  const as = (opType: string, inputs: string[]): NodeProto =>
    edited(clip, { opType, input: inputs, attribute: [] });
  if (low === Number.NEGATIVE_INFINITY) {
    const inputs = high === Number.POSITIVE_INFINITY ? [input] : [input, bound("high", high)];
    return { nodes: [as(inputs.length === 1 ? "Identity" : "Min", inputs)], initializers };
  }
  if (high === Number.POSITIVE_INFINITY) {
    return { nodes: [as("Max", [input, bound("low", low)])], initializers };
  }
  const raised = names.name(`${clip.name}/raised`);
  const raise = create(NodeProtoSchema, {
    opType: "Max",
    name: raised,
    input: [input, bound("low", low)],
    output: [raised],
  });
  return { nodes: [raise, as("Min", [raised, bound("high", high)])], initializers };
}

/**
 * Moves a Relu or Clip from before an inserted QuantizeLinear to between it and DequantizeLinear, as a Clip of
 * codes with the same name. Rounding is monotonic, so clipping before or after it gives the same codes. A Relu
 * or Clip left in float would leave the op before it in float too.
 *
 * @param affine scale and zero point of the pair; unused where the bounds are infinite
 * @param levels number of codes, where the largest code is to be below that of UINT8
 */
export function clipCodes(
  pair: Insertion,
  clip: NodeProto,
  { low, high }: { readonly low: number; readonly high: number },
  affine: Affine,
  names: NewNames,
  levels = ALL_LEVELS,
): Pick<Insertion, "nodes" | "initializers"> {
  const initializers = [...pair.initializers];
  const bound = (side: string, value: number): string => {
    if (!Number.isFinite(value) && (side === "low" || levels === ALL_LEVELS)) return "";
    const name = names.name(`${clip.name}/${side}`);
    const code = quantize(value, affine, 0, levels - 1);
    initializers.push(makeTensor(name, DataType.UINT8, [], Uint8Array.of(code)));
    return name;
  };
  const at = pair.nodes.findIndex(({ opType }) => opType === "QuantizeLinear");
  const [codes] = pair.nodes[at]!.output as [string];
  const clipped = names.name(`${codes}/clipped`);
  const codesClip = edited(clip, {
    opType: "Clip",
    input: [codes, bound("low", low), bound("high", high)],
    output: [clipped],
    attribute: [],
  });
  const after = pair.nodes
    .slice(at + 1)
    .map((node) => edited(node, { input: node.input.map((name) => (name === codes ? clipped : name)) }));
  return { nodes: [...pair.nodes.slice(0, at + 1), codesClip, ...after], initializers };
}
