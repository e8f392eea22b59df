import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { NewNames } from "../../onnx/model/new-names.js";
import { DataType, dimensions, floatValues, makeTensor } from "../../onnx/model/tensor.js";

/** What is added to an op's bias, a value an output channel, by the op's key. */
export type BiasShifts = ReadonlyMap<string, Float32Array>;

/** Where a product without a bias of its own has its bias: in an Add that alone reads it. */
export interface AddedBias {
  readonly add: NodeProto;
  /** Which input of the Add is the constant. */
  readonly input: number;
}

/** The Add of a constant a channel, along the last axis, behind a product; `undefined` where there is none. */
export function findAddedBias(output: string, channels: number, index: GraphIndex): AddedBias | undefined {
  const [reader, ...others] = index.consumers(output);
  if (reader?.node.opType !== "Add" || others.length > 0 || index.isVisibleOutside(output)) return undefined;
  const input = 1 - reader.input;
  const tensor = index.initializers.get(reader.node.input[input] ?? "");
  if (tensor?.dataType !== DataType.FLOAT) return undefined;
  const dims = dimensions(tensor);
  return dims.at(-1) === channels && dims.slice(0, -1).every((dim) => dim === 1)
    ? { add: reader.node, input }
    : undefined;
}

/** A float constant with something added to each of its values. */
export function shifted(tensor: TensorProto, shift: Float32Array, name: string): TensorProto {
  const values = floatValues(tensor).map((value, channel) => value + shift[channel]!);
  return makeTensor(name, DataType.FLOAT, dimensions(tensor), values);
}

/**
 * Adds a constant to a product, as the subtraction of its negative: ONNX Runtime makes a MatMul and an Add behind it a
 * Gemm, which with a float bias runs in float (measured, docs/quantization.md).
 */
export function addBehind(
  product: string,
  output: string,
  shift: Float32Array,
  names: NewNames,
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const constant = names.name(`${output}/negative_bias`);
  const name = names.name(`${output}/Sub`);
  const negative = shift.map((value) => -value);
  return {
    nodes: [create(NodeProtoSchema, { opType: "Sub", name, input: [product, constant], output: [output] })],
    initializers: [makeTensor(constant, DataType.FLOAT, [negative.length], negative)],
  };
}
