import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { makeIntAttribute, makeIntsAttribute } from "../../shared/onnx/attributes.js";
import { encodeModel, type Model } from "../../shared/onnx/codec.js";
import { DataType, makeTensor } from "../../shared/onnx/tensor.js";

const IR_VERSION = 8n;
const OPSET = 17;

/** A graph input or output; a dimension that is a name is dynamic. */
export interface Port {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly type?: DataType;
}

export interface SmallModel {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: readonly NodeProto[];
  readonly initializers?: readonly TensorProto[];
  readonly opset?: number;
}

/** A node named like its output. */
export function node(
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(
    ([name, value]): AttributeProto =>
      typeof value === "number" ? makeIntAttribute(name, value) : makeIntsAttribute(name, value),
  );
  return create(NodeProtoSchema, { opType, name: output, input: [...input], output: [output], attribute });
}

export function floats(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  return makeTensor(name, DataType.FLOAT, dims, Float32Array.from(values));
}

export function integers(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  return makeTensor(name, DataType.INT64, dims, BigInt64Array.from(values, BigInt));
}

export function smallModel({ inputs, outputs, nodes, initializers = [], opset = OPSET }: SmallModel): Model {
  return create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(opset) })],
    graph: create(GraphProtoSchema, {
      name: "small",
      node: [...nodes],
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
      initializer: [...initializers],
    }),
  }) as Model;
}

export function smallModelBytes(model: SmallModel): Uint8Array {
  return encodeModel(smallModel(model));
}

function valueInfo({ name, shape, type = DataType.FLOAT }: Port): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === "number"
          ? { case: "dimValue", value: BigInt(size) }
          : { case: "dimParam", value: size },
    }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: type,
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensorType } }),
  });
}
