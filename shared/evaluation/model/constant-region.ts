import { create } from "@bufbuild/protobuf";
import {
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { nodeName } from "../../onnx/graph/node-names.js";
import { SIZE_INPUTS } from "../../onnx/graph/size-inputs.js";
import { intAttribute, nestedGraphs } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, makeTensor } from "../../onnx/model/tensor.js";
import { openSession, type PortInfo } from "../../runtime/session.js";
import { inferTypes } from "./tensor-types.js";

type Tensors = ReadonlyMap<string, PortInfo>;

/** Ops whose output can be larger than their inputs. */
const GROWING: ReadonlySet<string> = new Set([
  "CenterCropPad",
  "ConstantOfShape",
  "Expand",
  "OneHot",
  "Pad",
  "Range",
  "Resize",
  "Tile",
  "Upsample",
]);

/** Ops that ONNX Runtime does not fold, as their outputs differ from run to run. */
const RANDOM = /^(?:Random\w+|Multinomial|Bernoulli|Dropout)$/;

/**
 * Checks the sizes of the tensors that depend on constants only, which ONNX Runtime computes while it loads a
 * model. Sizes that it cannot infer, because the model computes them, are computed here step by step, from tensors
 * already checked.
 *
 * @param tensors as inferred for the whole model
 * @param origin the model's name in errors
 * @returns the tensors that were computed
 * @throws {ModelError} what `requireFits` throws, and when a size cannot be computed
 */
export async function boundConstantRegion(
  model: Model,
  tensors: Tensors,
  origin: string,
  requireFits: RequireFits,
): Promise<readonly TensorProto[]> {
  return boundRegion(constantRegion(model, tensors), tensors, growingSizes(model), origin, requireFits);
}

/**
 * Checks the sizes of constant tensors in the bodies of control flow (If, Loop, Scan), whose constants ONNX
 * Runtime folds together with those around them.
 *
 * @param tensors as inferred for the top level
 */
export async function boundConstantBodies(
  model: Model,
  tensors: Tensors,
  origin: string,
  requireFits: RequireFits,
): Promise<void> {
  const visit = async (scope: Model, nodes: readonly NodeProto[]): Promise<void> => {
    for (const body of nodes.flatMap(nestedGraphs)) {
      const inner = withBody(scope, body);
      const region = constantRegion(inner, tensors);
      const own = new Set(body.node);
      if (region.graph.node.some((node) => own.has(node) && node.opType !== "Constant")) {
        const known = (await inferTypes(region)).tensors;
        requireFits(region.graph, known);
        await boundRegion(region, known, growingSizes(inner), origin, requireFits);
      }
      await visit(inner, body.node);
    }
  };
  await visit(model, model.graph.node);
}

/** The nodes and constants around a body of control flow and in it, as one graph. */
function withBody(scope: Model, body: GraphProto): Model {
  const { graph } = scope;
  return edited(scope, {
    graph: edited(graph, {
      node: [...graph.node, ...body.node],
      initializer: [...graph.initializer, ...body.initializer],
      sparseInitializer: [...graph.sparseInitializer, ...body.sparseInitializer],
    }),
  });
}

/** Throws where the tensors of a graph need more than the memory limit. */
type RequireFits = (graph: GraphProto, tensors: Tensors) => void;

async function boundRegion(
  whole: Model,
  tensors: Tensors,
  sizes: ReadonlySet<string>,
  origin: string,
  requireFits: RequireFits,
): Promise<readonly TensorProto[]> {
  let region = whole;
  let known = tensors;
  const computed: TensorProto[] = [];
  for (;;) {
    const next = nodesToCompute(region.graph, known, sizes);
    if (next.size === 0) return computed;
    const constants = await compute(region, next, origin);
    computed.push(...constants);
    region = withConstants(region, constants);
    if (region.graph.node.length === 0) return computed;
    known = (await inferTypes(region)).tensors;
    requireFits(region.graph, known);
  }
}

/** The model with constants in place of the nodes that compute them. */
export function withConstants(model: Model, constants: readonly TensorProto[]): Model {
  const { graph } = model;
  const names = new Set(constants.map(({ name }) => name));
  const isMade = ({ output }: NodeProto): boolean =>
    output.length > 0 && output.every((name) => name === "" || names.has(name));
  return edited(model, {
    graph: edited(graph, {
      node: graph.node.filter((node) => !isMade(node)),
      initializer: [...graph.initializer, ...constants],
    }),
  });
}

/** Names of the tensors whose values set the output sizes of {@link GROWING} ops, such as Expand and Tile. */
export function growingSizes({ graph }: Model): ReadonlySet<string> {
  const growing = graph.node.filter(({ opType }) => GROWING.has(opType));
  return new Set(growing.flatMap(({ opType, input }) => SIZE_INPUTS[opType]!.map((at) => input[at] ?? "")));
}

/**
 * The part of a model whose nodes depend on constants only; the shape of a tensor with fixed dimensions
 * counts as a constant.
 */
function constantRegion(model: Model, tensors: Tensors): Model {
  const constants = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]));
  const known = new Set(constants.keys());
  for (const { values } of model.graph.sparseInitializer) known.add(values?.name ?? "");
  const nodes: NodeProto[] = [];
  const shapes: TensorProto[] = [];
  for (const node of model.graph.node) {
    if (nestedGraphs(node).length > 0 || RANDOM.test(node.opType)) continue;
    const shape = fixedShape(node, tensors);
    if (shape !== undefined) shapes.push(shape);
    else if (node.input.every((name) => name === "" || known.has(name))) nodes.push(node);
    else continue;
    for (const name of node.output) known.add(name);
  }
  const read = new Set(nodes.flatMap(({ input }) => input));
  const { graph } = model;
  return edited(model, {
    graph: edited(graph, {
      node: nodes,
      initializer: [...graph.initializer.filter(({ name }) => read.has(name)), ...shapes],
      sparseInitializer: graph.sparseInitializer.filter(({ values }) => read.has(values?.name ?? "")),
      input: [],
      output: [],
      valueInfo: [],
    }),
  });
}

/** The output of a Shape or Size whose input has only fixed dimensions; `undefined` for other nodes. */
function fixedShape(node: NodeProto, tensors: Tensors): TensorProto | undefined {
  if (node.opType !== "Shape" && node.opType !== "Size") return undefined;
  const shape = tensors.get(node.input[0] ?? "")?.shape ?? [];
  const fixed = shape.filter((dimension) => typeof dimension === "number");
  if (fixed.length === 0 || fixed.length < shape.length) return undefined;
  const [name = ""] = node.output;
  const dims = fixed.map(BigInt);
  if (node.opType === "Size") {
    const size = dims.reduce((product, dim) => product * dim, 1n);
    return makeTensor(name, DataType.INT64, [], BigInt64Array.of(BigInt.asIntN(64, size)));
  }
  const part = dims.slice(intAttribute(node, "start", 0), intAttribute(node, "end", dims.length));
  return makeTensor(name, DataType.INT64, [part.length], BigInt64Array.from(part));
}

/**
 * The nodes whose outputs are to be computed next, so that more sizes can be inferred: those that set the
 * output size of a node, and those whose own size is not inferred although its inputs are known.
 *
 * @param sizes names of further tensors to compute, where the region computes them
 */
function nodesToCompute(
  { node: nodes, initializer }: Model["graph"],
  tensors: Tensors,
  sizes: ReadonlySet<string>,
): ReadonlySet<NodeProto> {
  const constants = new Set(initializer.map(({ name }) => name));
  const producers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const blocked = new Set<string>();
  const wanted = new Set<NodeProto>();
  for (const node of nodes) {
    if (node.opType === "Constant") {
      for (const name of node.output) constants.add(name);
      continue;
    }
    const isBlocked = node.input.some((name) => blocked.has(name));
    if (!isBlocked && node.output.some((name) => sizes.has(name))) wanted.add(node);
    if (!isBlocked && node.output.every((name) => name === "" || isInferred(node, tensors.get(name))))
      continue;
    for (const name of node.output) blocked.add(name);
    if (isBlocked) continue;
    const read = (SIZE_INPUTS[node.opType] ?? [])
      .map((input) => node.input[input] ?? "")
      .filter((name) => name !== "" && !constants.has(name));
    if (read.length === 0) wanted.add(node);
    for (const name of read) {
      const producer = producers.get(name);
      if (producer !== undefined) wanted.add(producer);
    }
  }
  return wanted;
}

function isInferred(node: NodeProto, info: PortInfo | undefined): boolean {
  if (info === undefined) return false;
  // An empty shape means a scalar or an unknown rank.
  if (info.shape.length === 0) return SIZE_INPUTS[node.opType] === undefined;
  return info.shape.every((dimension) => typeof dimension === "number" && dimension >= 0);
}

/** Computes the outputs of some nodes of a graph of constants with ONNX Runtime. */
async function compute(
  region: Model,
  nodes: ReadonlySet<NodeProto>,
  origin: string,
): Promise<readonly TensorProto[]> {
  const { graph } = region;
  const needed = ancestors(graph.node, nodes);
  const outputs = [...nodes].flatMap(({ output }) => output).filter((name) => name !== "");
  const model = edited(region, {
    graph: edited(graph, {
      node: graph.node.filter((node) => needed.has(node)),
      output: outputs.map((name) => create(ValueInfoProtoSchema, { name })),
    }),
  });
  return outputsOf(model).catch((cause: unknown) => {
    const [first] = nodes;
    throw new ModelError(
      `${origin}: ONNX Runtime cannot compute the constant ${first!.opType} "${nodeName(first!)}"; export the model again.`,
      { cause },
    );
  });
}

function ancestors(nodes: readonly NodeProto[], of: ReadonlySet<NodeProto>): ReadonlySet<NodeProto> {
  const needed = new Set<NodeProto>();
  const read = new Set<string>();
  for (const node of nodes.toReversed()) {
    if (!of.has(node) && !node.output.some((name) => read.has(name))) continue;
    needed.add(node);
    for (const name of node.input) read.add(name);
  }
  return needed;
}

async function outputsOf(model: Model): Promise<TensorProto[]> {
  const session = await openSession(model, { graphOptimizationLevel: "disabled", intraOpNumThreads: 1 });
  try {
    const values = await session.run({});
    return Object.entries(values).map(([name, { type, dims, data }]) => {
      const bytes = data as Exclude<typeof data, readonly string[]>;
      return create(TensorProtoSchema, {
        name,
        dataType: ELEMENT_TYPES[type] ?? DataType.UNDEFINED,
        dims: dims.map(BigInt),
        rawData: new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength),
      });
    });
  } finally {
    await session.release();
  }
}

/** ONNX's element types by ONNX Runtime's names. */
export const ELEMENT_TYPES: Readonly<Record<string, DataType>> = {
  float16: DataType.FLOAT16,
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int8: DataType.INT8,
  uint8: DataType.UINT8,
  int16: DataType.INT16,
  uint16: DataType.UINT16,
  int32: DataType.INT32,
  uint32: DataType.UINT32,
  int64: DataType.INT64,
  uint64: DataType.UINT64,
  bool: DataType.BOOL,
};
