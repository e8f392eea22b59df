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
 * @param tensor what is quantized; also names the inserted nodes and tensors
 * @param input the tensor that is read, where it is not `tensor` itself
 * @param output the name of the dequantized tensor
 */
export function activationPair(
  tensor: string,
  scale: number,
  zeroPoint: number,
  input: string,
  output = `${tensor}/dequantized`,
): Insertion {
  const names = { scale: `${tensor}/scale`, zeroPoint: `${tensor}/zero_point`, codes: `${tensor}/quantized` };
  return {
    nodes: [
      node("QuantizeLinear", `${tensor}/QuantizeLinear`, [input, names.scale, names.zeroPoint], names.codes),
      node(
        "DequantizeLinear",
        `${tensor}/DequantizeLinear`,
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

/** A constant's codes behind a DequantizeLinear. */
export function dequantizedConstant(name: string, constant: QuantizedConstant): Insertion {
  const { dataType, dims, codes, scales, zeroPoints, axis } = constant;
  const shape = axis === undefined ? [] : [scales.length];
  const names = { codes: `${name}/quantized`, scale: `${name}/scale`, zeroPoint: `${name}/zero_point` };
  const output = `${name}/dequantized`;
  return {
    nodes: [
      node(
        "DequantizeLinear",
        `${name}/DequantizeLinear`,
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
