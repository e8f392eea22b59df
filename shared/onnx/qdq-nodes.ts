import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { makeIntAttribute } from "./attributes.js";
import { DataType, makeTensor } from "./tensor.js";

/** Codes of a constant with their scales and zero points: one of each, or one a channel along `axis`. */
export interface QuantizedConstant {
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly codes: Int8Array | Uint8Array | Int32Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Int8Array | Uint8Array | Int32Array;
  readonly axis: number | undefined;
}

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

/**
 * QuantizeLinear and DequantizeLinear behind each other, on unsigned 8-bit codes.
 *
 * @param prefix of the inserted nodes' and tensors' names
 * @param input the tensor that is quantized
 * @param output the name of the dequantized tensor
 */
export function activationPair(
  prefix: string,
  scale: number,
  zeroPoint: number,
  input: string,
  output = `${prefix}/dequantized`,
): Insertion {
  const names = { scale: `${prefix}/scale`, zeroPoint: `${prefix}/zero_point`, codes: `${prefix}/quantized` };
  return {
    nodes: [
      node("QuantizeLinear", `${prefix}/QuantizeLinear`, [input, names.scale, names.zeroPoint], names.codes),
      node(
        "DequantizeLinear",
        `${prefix}/DequantizeLinear`,
        [names.codes, names.scale, names.zeroPoint],
        output,
      ),
    ],
    initializers: [
      makeTensor(names.scale, DataType.FLOAT, [], Float32Array.of(scale)),
      makeTensor(names.zeroPoint, DataType.UINT8, [], Uint8Array.of(zeroPoint)),
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
      makeTensor(names.codes, dataType, dims, codes),
      makeTensor(names.scale, DataType.FLOAT, shape, scales),
      makeTensor(names.zeroPoint, dataType, shape, zeroPoints),
    ],
    output,
  };
}
