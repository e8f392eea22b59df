import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { makeIntAttribute } from "../model/attributes.js";
import { isPacked, packCodes } from "../model/packed-codes.js";
import { DataType, makeTensor } from "../model/tensor.js";

/** Codes of a constant with their scales and zero points: one of each, or one a channel along `axis`. */
export interface QuantizedConstant {
  readonly dataType: CodeType;
  readonly dims: readonly number[];
  readonly codes: ArrayLike<number>;
  readonly scales: Float32Array;
  readonly zeroPoints: ArrayLike<number>;
  readonly axis: number | undefined;
}

/** What codes are kept in. */
export type CodeType =
  | DataType.INT4
  | DataType.UINT4
  | DataType.INT8
  | DataType.UINT8
  | DataType.INT16
  | DataType.UINT16
  | DataType.INT32;

/** Nodes and initializers that quantizing adds to a graph. */
export interface Insertion {
  readonly nodes: NodeProto[];
  readonly initializers: TensorProto[];
  /** The tensor that holds the dequantized values. */
  readonly output: string;
}

/** What is appended to a prefix to name the inserted nodes and tensors. */
export const INSERTED_NAMES: readonly string[] = [
  "QuantizeLinear",
  "DequantizeLinear",
  "scale",
  "zero_point",
  "quantized",
  "dequantized",
  "Max",
  "apart",
  "apart/Max",
];

function node(opType: string, name: string, input: string[], output: string, axis?: number): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    name,
    input,
    output: [output],
    attribute: axis === undefined ? [] : [makeIntAttribute("axis", axis)],
  });
}

/** A tensor of codes; those of 4 bits are packed, two to a byte. */
function codeTensor(
  name: string,
  dataType: CodeType,
  dims: readonly number[],
  codes: ArrayLike<number>,
): TensorProto {
  return makeTensor(
    name,
    dataType,
    dims,
    isPacked(dataType) ? packCodes(codes) : asElements(dataType, codes),
  );
}

/** The codes as elements of their type; without a copy where they are that already. */
function asElements(
  dataType: CodeType,
  codes: ArrayLike<number>,
): Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array {
  switch (dataType) {
    case DataType.INT4:
    case DataType.INT8:
      return codes instanceof Int8Array ? codes : Int8Array.from(codes);
    case DataType.UINT4:
    case DataType.UINT8:
      return codes instanceof Uint8Array ? codes : Uint8Array.from(codes);
    case DataType.INT16:
      return codes instanceof Int16Array ? codes : Int16Array.from(codes);
    case DataType.UINT16:
      return codes instanceof Uint16Array ? codes : Uint16Array.from(codes);
    case DataType.INT32:
      return codes instanceof Int32Array ? codes : Int32Array.from(codes);
  }
}

/** How a tensor of activations becomes codes: by one scale and zero point, or by one of each a channel along `axis`. */
export interface ActivationCodes {
  readonly dataType: CodeType;
  readonly scales: Float32Array;
  readonly zeroPoints: ArrayLike<number>;
  readonly axis: number | undefined;
}

/**
 * QuantizeLinear and DequantizeLinear behind each other. With scales a channel, a Max of one operand stands before and
 * behind them, which changes no value: without it, ONNX Runtime 1.30 makes integer ops of what reads and writes such
 * tensors, and then refuses to run them, as their kernels take one scale.
 *
 * @param prefix of the inserted nodes' and tensors' names
 * @param input the tensor that is quantized
 * @param output the name of the dequantized tensor
 */
export function activationPair(
  prefix: string,
  { dataType, scales, zeroPoints, axis }: ActivationCodes,
  input: string,
  output = `${prefix}/dequantized`,
): Insertion {
  const names = { scale: `${prefix}/scale`, zeroPoint: `${prefix}/zero_point`, codes: `${prefix}/quantized` };
  const perChannel = axis !== undefined;
  const apart = perChannel
    ? { before: `${prefix}/Max`, inner: `${prefix}/apart`, behind: `${prefix}/apart/Max` }
    : undefined;
  const source = apart?.before ?? input;
  const made = apart?.inner ?? output;
  const parameters = [names.scale, names.zeroPoint];
  const shape = perChannel ? [scales.length] : [];
  return {
    nodes: [
      ...(apart === undefined ? [] : [node("Max", apart.before, [input], apart.before)]),
      node("QuantizeLinear", `${prefix}/QuantizeLinear`, [source, ...parameters], names.codes, axis),
      node("DequantizeLinear", `${prefix}/DequantizeLinear`, [names.codes, ...parameters], made, axis),
      ...(apart === undefined ? [] : [node("Max", apart.behind, [made], output)]),
    ],
    initializers: [
      makeTensor(names.scale, DataType.FLOAT, shape, scales),
      codeTensor(names.zeroPoint, dataType, shape, zeroPoints),
    ],
    output,
  };
}

/**
 * A constant's codes behind a DequantizeLinear.
 * @param prefix of the inserted node's and tensors' names
 */
export function dequantizedConstant(prefix: string, constant: QuantizedConstant): Insertion {
  const { dataType, dims, codes, scales, zeroPoints, axis } = constant;
  const shape = axis === undefined ? [] : [scales.length];
  const names = { codes: `${prefix}/quantized`, scale: `${prefix}/scale`, zeroPoint: `${prefix}/zero_point` };
  const output = `${prefix}/dequantized`;
  return {
    nodes: [
      node(
        "DequantizeLinear",
        `${prefix}/DequantizeLinear`,
        [names.codes, names.scale, names.zeroPoint],
        output,
        axis,
      ),
    ],
    initializers: [
      codeTensor(names.codes, dataType, dims, codes),
      makeTensor(names.scale, DataType.FLOAT, shape, scales),
      codeTensor(names.zeroPoint, dataType, shape, zeroPoints),
    ],
    output,
  };
}
