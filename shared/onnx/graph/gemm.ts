import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { floatAttribute, intAttribute } from "../model/attributes.js";
import type { Model } from "../model/codec.js";
import { NewNames } from "../model/new-names.js";
import { DataType, dimensions, floatValues, makeTensor } from "../model/tensor.js";
import { GraphIndex } from "./graph-index.js";

/**
 * Multiplies `alpha` into the constant weights of each Gemm and `beta` into its constant bias, and writes the
 * bias as one value per column, in place: only in this form do ONNX Runtime's fusions make the Gemm a QGemm
 * with an integer bias. Any other addend (an activation, a value per row) moves into an Add after the Gemm.
 */
export function normalizeGemms(model: Model): void {
  const constants = new Constants(model);
  const { graph } = model;
  graph.node = graph.node.flatMap((node) => {
    if (node.opType !== "Gemm" || node.domain !== "") return [node];
    normalize(node, constants);
    return separateSum(node, constants);
  });
}

/** The Gemm, followed by an Add of its third input where that is not a bias. */
function separateSum(node: NodeProto, constants: Constants): NodeProto[] {
  const [, second = "", third = ""] = node.input;
  const weight = constants.get(second);
  if (third === "" || weight?.dims.length !== 2 || floatAttribute(node, "beta", 1) !== 1) return [node];
  if (constants.get(third)?.dims.length === 1) return [node];
  const [output = ""] = node.output;
  const product = constants.names.name(`${output}/product`);
  const name = constants.names.name(`${output}/Add`);
  node.input = node.input.slice(0, 2);
  node.output = [product];
  const add = create(NodeProtoSchema, { opType: "Add", name, input: [product, third], output: [output] });
  return [node, add];
}

function normalize(node: NodeProto, constants: Constants): void {
  const [, second = "", third = ""] = node.input;
  const weight = constants.get(second);
  if (weight?.dims.length !== 2) return;
  const alpha = floatAttribute(node, "alpha", 1);
  if (alpha !== 1) {
    const scaled = floatValues(weight).map((value) => value * alpha);
    node.input[1] = constants.replace(second, node, dimensions(weight), scaled);
    dropAttribute(node, "alpha");
  }
  const bias = constants.get(third);
  if (bias === undefined) return;
  const columns = dimensions(weight)[intAttribute(node, "transB", 0) === 0 ? 1 : 0]!;
  const row = biasRow(bias, columns);
  const beta = floatAttribute(node, "beta", 1);
  if (row === undefined || (beta === 1 && bias.dims.length === 1 && Number(bias.dims[0]) === columns)) return;
  node.input[2] = constants.replace(
    third,
    node,
    [columns],
    row.map((value) => value * beta),
  );
  dropAttribute(node, "beta");
}

/** A Gemm's bias as one value per column; `undefined` when its rows differ. */
function biasRow(bias: TensorProto, columns: number): Float32Array | undefined {
  const dims = dimensions(bias);
  const values = floatValues(bias);
  if (values.length === 1) return new Float32Array(columns).fill(values[0]!);
  return values.length === columns && dims.at(-1) === columns ? values : undefined;
}

function dropAttribute(node: NodeProto, dropped: string): void {
  node.attribute = node.attribute.filter(({ name }) => name !== dropped);
}

/** The FLOAT initializers of a graph, which several nodes may share, and a source of unused names. */
class Constants {
  readonly #tensors: Map<string, TensorProto>;
  readonly #uses = new Map<string, number>();
  readonly names: NewNames;

  constructor(private readonly model: Model) {
    const { initializers, nodes, outputs, captured, names } = new GraphIndex(model.graph);
    this.names = new NewNames(names);
    this.#tensors = new Map(initializers);
    for (const name of [...nodes.flatMap(({ input }) => input), ...outputs, ...captured]) {
      this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
    }
  }

  get(name: string): TensorProto | undefined {
    const tensor = this.#tensors.get(name);
    return tensor?.dataType === DataType.FLOAT ? tensor : undefined;
  }

  /**
   * Replaces a constant for one reader, and returns the constant's name: the old one when that node is the
   * only reader, otherwise a new one.
   */
  replace(name: string, node: NodeProto, dims: readonly number[], values: Float32Array): string {
    const { initializer } = this.model.graph;
    const shared = this.#uses.get(name) !== 1;
    const tensor = makeTensor(
      shared ? this.names.name(`${name}/${node.output[0]}`) : name,
      DataType.FLOAT,
      dims,
      values,
    );
    if (shared) initializer.push(tensor);
    else initializer[initializer.findIndex((other) => other.name === name)] = tensor;
    this.#tensors.set(tensor.name, tensor);
    return tensor.name;
  }
}
