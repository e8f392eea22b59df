import { clone, create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
} from "onnx-buf";
import type { Model } from "../../../../shared/onnx/model/codec.js";
import { DataType, makeTensor } from "../../../../shared/onnx/model/tensor.js";
import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { oneOf } from "./choose.js";

const OP_TYPES = [
  "Relu",
  "Identity",
  "Softmax",
  "LogSoftmax",
  "Transpose",
  "Reshape",
  "Flatten",
  "Shape",
  "Cast",
  "Conv",
  "MatMul",
  "Gemm",
  "Add",
  "Concat",
  "Slice",
  "Pad",
  "MaxPool",
  "GlobalAveragePool",
  "Squeeze",
  "Unsqueeze",
  "Gather",
  "Dropout",
  "BatchNormalization",
  "If",
  "Loop",
  "QuantizeLinear",
  "DequantizeLinear",
  "NonZero",
  "Log",
  "Sqrt",
  "Nonsense",
];
const NAMES = [
  "",
  " ",
  "/",
  "?",
  "a/b",
  "a b",
  "é",
  "x".repeat(3_000),
  "y",
  "x",
  "0",
  "constructor",
  "__proto__",
];
const SIZES = [-1n, 0n, 1n, 2n, 3n, 7n, 1_000n, 65_536n, 2n ** 31n, 2n ** 32n, 2n ** 62n];
const INTEGERS = [...SIZES, -(2n ** 63n), 2n ** 63n - 1n, -2n, 255n];
const FLOATS = [0, -0, Number.NaN, Infinity, -Infinity, 1e-40, 1e-5, 3.4e38, -3.4e38, -1, 1e10];
const SETS = [0n, 1n, 6n, 9n, 10n, 11n, 12n, 13n, 15n, 18n, 21n, 23n, 99n, 2n ** 40n];

type Mutation = (model: Model, random: RandomStream) => void;

const node = ({ graph }: Model, random: RandomStream): NodeProto | undefined =>
  graph.node.length === 0 ? undefined : oneOf(random, graph.node);
const constant = ({ graph }: Model, random: RandomStream): TensorProto | undefined =>
  graph.initializer.length === 0 ? undefined : oneOf(random, graph.initializer);

function tensorNames({ graph }: Model): string[] {
  return [
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ];
}

function somePort({ graph }: Model, random: RandomStream): ValueInfoProto | undefined {
  const ports = [...graph.input, ...graph.output];
  return ports.length === 0 ? undefined : oneOf(random, ports);
}

function shapeOf(port: ValueInfoProto | undefined) {
  return port?.type?.value.case === "tensorType" ? port.type.value.value.shape : undefined;
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "another operator": (model, random) => {
    const chosen = node(model, random);
    if (chosen !== undefined) chosen.opType = oneOf(random, OP_TYPES);
  },
  "a node less": (model, random) => {
    model.graph.node.splice(random.below(model.graph.node.length), 1);
  },
  "a node twice": (model, random) => {
    const chosen = node(model, random);
    if (chosen !== undefined) model.graph.node.push(clone(NodeProtoSchema, chosen));
  },
  "a node more": (model, random) => {
    const input = oneOf(random, tensorNames(model));
    const output = `inserted_${random.below(1_000)}`;
    const opType = oneOf(random, OP_TYPES);
    const inserted = create(NodeProtoSchema, { name: output, opType, input: [input], output: [output] });
    model.graph.node.splice(random.below(model.graph.node.length + 1), 0, inserted);
    const user = node(model, random);
    const place = user?.input.indexOf(input) ?? -1;
    if (user !== undefined && user !== inserted && place >= 0) user.input[place] = output;
  },
  "another order": (model, random) => {
    const nodes = model.graph.node;
    for (let i = nodes.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [nodes[i], nodes[j]] = [nodes[j]!, nodes[i]!];
    }
  },
  "another input": (model, random) => {
    const chosen = node(model, random);
    if (chosen === undefined || chosen.input.length === 0) return;
    chosen.input[random.below(chosen.input.length)] = oneOf(random, [...tensorNames(model), "", "nowhere"]);
  },
  "an input less": (model, random) => {
    node(model, random)?.input.pop();
  },
  "another output": (model, random) => {
    const chosen = node(model, random);
    if (chosen === undefined || chosen.output.length === 0) return;
    chosen.output[random.below(chosen.output.length)] = oneOf(random, [...tensorNames(model), ...NAMES]);
  },
  "another name": (model, random) => {
    const chosen = node(model, random);
    if (chosen !== undefined) chosen.name = oneOf(random, [...NAMES, ...tensorNames(model)]);
  },
  "another name everywhere": (model, random) => {
    const names = tensorNames(model);
    const from = oneOf(random, names);
    const to = oneOf(random, [...NAMES, ...names]);
    const renamed = (name: string): string => (name === from ? to : name);
    for (const each of model.graph.node) {
      each.input = each.input.map(renamed);
      each.output = each.output.map(renamed);
    }
    for (const each of [...model.graph.input, ...model.graph.output, ...model.graph.initializer])
      each.name = renamed(each.name);
  },
  "an attribute less": (model, random) => {
    node(model, random)?.attribute.pop();
  },
  "another attribute": (model, random) => {
    const chosen = node(model, random);
    if (chosen === undefined || chosen.attribute.length === 0) return;
    const attribute = oneOf(random, chosen.attribute);
    switch (attribute.type) {
      case AttributeType.INT:
        attribute.i = oneOf(random, INTEGERS);
        break;
      case AttributeType.FLOAT:
        attribute.f = oneOf(random, FLOATS);
        break;
      case AttributeType.INTS:
        attribute.ints = oneOf(random, [
          () => attribute.ints.map(() => oneOf(random, INTEGERS)),
          () => attribute.ints.slice(1),
          () => [...attribute.ints, oneOf(random, INTEGERS)],
          () => [],
        ])();
        break;
      case AttributeType.STRING:
        attribute.s = new Uint8Array(Buffer.from(oneOf(random, NAMES)));
        break;
      default:
        attribute.type = oneOf(random, [AttributeType.UNDEFINED, AttributeType.INT, AttributeType.TENSOR]);
    }
  },
  "other dimensions": (model, random) => {
    const tensor = constant(model, random);
    if (tensor === undefined) return;
    if (tensor.dims.length === 0 || random.below(3) === 0) tensor.dims.push(oneOf(random, SIZES));
    else tensor.dims[random.below(tensor.dims.length)] = oneOf(random, SIZES);
  },
  "other data": (model, random) => {
    const tensor = constant(model, random);
    if (tensor === undefined) return;
    const { rawData } = tensor;
    tensor.rawData = oneOf(random, [
      () => rawData.slice(0, rawData.length >> 1),
      () => new Uint8Array(rawData.length + 4),
      () => new Uint8Array(rawData.length),
      () => new Uint8Array(0),
    ])();
  },
  "other values": (model, random) => {
    const tensor = constant(model, random);
    if (tensor === undefined || tensor.rawData.length < 4) return;
    const bytes = Buffer.from(tensor.rawData);
    const value = oneOf(random, FLOATS);
    const every = random.below(3) === 0 ? 1 : 1 + random.below(16);
    for (let at = 0; at + 4 <= bytes.length; at += 4 * every) bytes.writeFloatLE(value, at);
    tensor.rawData = new Uint8Array(bytes);
  },
  "another element type": (model, random) => {
    const tensor = constant(model, random);
    if (tensor !== undefined) tensor.dataType = random.below(26);
  },
  "data elsewhere": (model, random) => {
    const tensor = constant(model, random);
    if (tensor === undefined) return;
    tensor.dataLocation = DataLocation.EXTERNAL;
    tensor.rawData = new Uint8Array(0);
    const value = oneOf(random, [
      "missing.bin",
      "../model.onnx",
      "/etc/hostname",
      "model.onnx",
      "",
      ".",
      "x.npy",
    ]);
    tensor.externalData = [create(StringStringEntryProtoSchema, { key: "location", value })];
    if (random.below(2) === 0)
      tensor.externalData.push(
        create(StringStringEntryProtoSchema, {
          key: oneOf(random, ["offset", "length"]),
          value: oneOf(random, ["0", "-1", "1e9", "x", "9999999999999999999", "4096"]),
        }),
      );
  },
  "a sparse constant": (model, random) => {
    const values = makeTensor(`sparse_${random.below(100)}`, DataType.FLOAT, [1], Float32Array.of(1));
    const indices = makeTensor("", DataType.INT64, [1], BigInt64Array.of(oneOf(random, [0n, 5n, -1n])));
    const dims = [oneOf(random, [1n, 4n, 2n ** 16n, 2n ** 32n])];
    model.graph.sparseInitializer.push(create(SparseTensorProtoSchema, { values, indices, dims }));
    const user = node(model, random);
    if (user !== undefined && user.input.length > 1) user.input[1] = values.name;
  },
  "another shape": (model, random) => {
    const shape = shapeOf(somePort(model, random));
    if (shape === undefined) return;
    const value = oneOf(random, [
      () => ({ case: "dimValue" as const, value: oneOf(random, SIZES) }),
      () => ({ case: "dimParam" as const, value: oneOf(random, NAMES) }),
      () => ({ case: undefined }),
    ])();
    const dimension = create(TensorShapeProto_DimensionSchema, { value });
    if (shape.dim.length === 0 || random.below(4) === 0) shape.dim.push(dimension);
    else shape.dim[random.below(shape.dim.length)] = dimension;
  },
  "no shape": (model, random) => {
    const port = somePort(model, random);
    if (port?.type?.value.case === "tensorType") delete port.type.value.value.shape;
  },
  "another type": (model, random) => {
    const port = somePort(model, random);
    if (port?.type?.value.case === "tensorType") port.type.value.value.elemType = random.below(26);
    if (port !== undefined && random.below(4) === 0) delete port.type;
  },
  "an output less": (model) => {
    model.graph.output.pop();
  },
  "an output more": (model, random) => {
    const [output] = model.graph.output;
    if (output !== undefined) model.graph.output.push({ ...output, name: oneOf(random, tensorNames(model)) });
  },
  "an input that nobody uses": (model, random) => {
    const [input] = model.graph.input;
    if (input !== undefined)
      model.graph.input.push({ ...input, name: oneOf(random, ["unused", input.name]) });
  },
  "an input that is a constant": (model, random) => {
    const tensor = constant(model, random);
    const [input] = model.graph.input;
    if (tensor !== undefined && input !== undefined) model.graph.input.push({ ...input, name: tensor.name });
  },
  "another operator set": (model, random) => {
    for (const imported of model.opsetImport) imported.version = oneOf(random, SETS);
  },
  "another domain": (model, random) => {
    const domain = oneOf(random, ["ai.onnx", "com.microsoft", "ai.onnx.ml", "nobody.knows"]);
    const chosen = node(model, random);
    if (chosen !== undefined) chosen.domain = domain;
    if (random.below(2) === 0)
      model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: 1n }));
  },
  "another version": (model, random) => {
    model.irVersion = oneOf(random, [0n, 1n, 3n, 7n, 10n, 99n, 2n ** 62n]);
  },
};

/** Names of the model mutations. */
export const MODEL_MUTATIONS = Object.keys(MUTATIONS);

/** A copy of a model with the named mutation. */
export function mutateModel(model: Model, random: RandomStream, mutation: string): Model {
  const changed = clone(ModelProtoSchema, model) as Model;
  MUTATIONS[mutation]!(changed, random);
  return changed;
}

/** Applies one to three mutations to a model. */
export function mutateModelSomehow(
  model: Model,
  random: RandomStream,
): { readonly model: Model; readonly mutations: readonly string[] } {
  const mutations = Array.from({ length: 1 + random.below(3) }, () => oneOf(random, MODEL_MUTATIONS));
  let changed = model;
  for (const mutation of mutations) changed = mutateModel(changed, random, mutation);
  return { model: changed, mutations };
}
