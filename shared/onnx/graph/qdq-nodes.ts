import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { makeIntAttribute } from "../model/attributes.js";
import { type CodeType, codeTensor } from "./code-tensor.js";
import type { QuantizationParameters } from "./quantization-parameters.js";

/**
 * Codes of a constant with their scales and zero points: one of each per tensor, or per channel along `axis`.
 */
export interface QuantizedConstant {
  readonly dataType: CodeType;
  readonly dims: readonly number[];
  readonly codes: ArrayLike<number>;
  readonly scales: Float32Array;
  /** Zero points, one per scale; `undefined` when all are 0, which is the default of DequantizeLinear. */
  readonly zeroPoints: ArrayLike<number> | undefined;
  readonly axis: number | undefined;
}

/** Nodes and initializers that quantizing a tensor adds to a graph. */
export interface Insertion {
  readonly nodes: NodeProto[];
  readonly initializers: TensorProto[];
  /** Name of the tensor that holds the dequantized values. */
  readonly output: string;
}

/** Suffixes of the names of inserted tensors, short because every consumer of a tensor repeats its name. */
const ENDINGS = { codes: "_q", dequantized: "_dq", before: "_max", inner: "_apart" } as const;

/** All suffixes that inserted tensors have in their names. */
export const INSERTED_NAMES: readonly string[] = Object.values(ENDINGS);

/** The default axis of QuantizeLinear and DequantizeLinear. */
const DEFAULT_AXIS = 1;

/** A node without a name: its output identifies it, and ONNX Runtime numbers such nodes in its profiles. */
function node(opType: string, input: string[], output: string, axis = DEFAULT_AXIS): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    input,
    output: [output],
    attribute: axis === DEFAULT_AXIS ? [] : [makeIntAttribute("axis", axis)],
  });
}

/**
 * Quantization parameters of an activation tensor: one scale and zero point per tensor, or per channel along
 * `axis`.
 */
export interface ActivationCodes {
  readonly dataType: CodeType;
  readonly scales: Float32Array;
  readonly zeroPoints: ArrayLike<number>;
  readonly axis: number | undefined;
}

/**
 * A QuantizeLinear followed by a DequantizeLinear. For per-channel scales a Max of one operand, which changes
 * no value, is inserted before and after the pair: otherwise ONNX Runtime 1.30 fuses the neighbouring ops
 * into integer ops, and then fails to run them because their kernels take one scale.
 *
 * @param prefix of the inserted tensors' names
 * @param input the tensor that is quantized
 * @param output the name of the dequantized tensor
 */
export function activationPair(
  prefix: string,
  activation: ActivationCodes,
  parameters: QuantizationParameters,
  input: string,
  output = prefix + ENDINGS.dequantized,
): Insertion {
  const { axis } = activation;
  const codes = prefix + ENDINGS.codes;
  const { names, initializers } = parameters.of(activation);
  const perChannel = axis !== undefined;
  const apart = perChannel
    ? { before: prefix + ENDINGS.before, inner: prefix + ENDINGS.inner }
    : { before: input, inner: output };
  return {
    nodes: [
      ...(perChannel ? [node("Max", [input], apart.before)] : []),
      node("QuantizeLinear", [apart.before, ...names], codes, axis),
      node("DequantizeLinear", [codes, ...names], apart.inner, axis),
      ...(perChannel ? [node("Max", [apart.inner], output)] : []),
    ],
    initializers: [...initializers],
    output,
  };
}

/**
 * A constant as codes, followed by a DequantizeLinear.
 * @param prefix of the inserted tensors' names
 */
export function dequantizedConstant(
  prefix: string,
  constant: QuantizedConstant,
  parameters: QuantizationParameters,
): Insertion {
  const codes = prefix + ENDINGS.codes;
  const output = prefix + ENDINGS.dequantized;
  const { names, initializers } = parameters.of(constant);
  return {
    nodes: [node("DequantizeLinear", [codes, ...names], output, constant.axis)],
    initializers: [codeTensor(codes, constant.dataType, constant.dims, constant.codes), ...initializers],
    output,
  };
}
