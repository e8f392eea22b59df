import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { NewNames } from "../../onnx/model/new-names.js";
import { DataType, dimensions, floatValues, makeTensor } from "../../onnx/model/tensor.js";

/** Values to add to the biases of ops, one per output channel, by the op's key. */
export type BiasShifts = ReadonlyMap<string, Float32Array>;

/** The bias of a MatMul, which is a constant input of an Add that is the product's only reader. */
export interface AddedBias {
  readonly add: NodeProto;
  /** Index of the Add's input that is the constant bias. */
  readonly input: number;
}

/** The Add of a constant per channel (the last axis) after a product; `undefined` where there is none. */
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

/** A new float constant: the tensor plus a shift, value by value. */
export function shifted(tensor: TensorProto, shift: Float32Array, name: string): TensorProto {
  const values = floatValues(tensor).map((value, channel) => value + shift[channel]!);
  return makeTensor(name, DataType.FLOAT, dimensions(tensor), values);
}

/**
 * Nodes that add a shift per channel to a product, as a Sub of its negative: ONNX Runtime would fuse MatMul and
 * Add to a Gemm, which with a float bias runs in float (docs/reference/onnx-runtime.md, "Fusions").
 */
export function addAfter(
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
