import type { GraphProto, NodeProto, TensorProto } from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { WEIGHTED_TYPES } from "../graph/weighted-ops.js";
import { nestedGraphs } from "../model/attributes.js";
import type { Model } from "../model/codec.js";
import { DataType, floatValues, isExternal } from "../model/tensor.js";

const QUANTIZED_TYPES =
  /^(QuantizeLinear|DequantizeLinear|DynamicQuantize\w+|QLinear\w+|QGemm|QAttention|ConvInteger|MatMulInteger\w*|MatMulNBits)$/;

const HALF_TYPES: readonly number[] = [DataType.FLOAT16, DataType.BFLOAT16];

/** Whether the model holds quantized ops, such as QuantizeLinear. */
export function isQuantized(model: Model): boolean {
  return findQuantizedNode(model) !== undefined;
}

function findQuantizedNode(model: Model): NodeProto | undefined {
  const nodes = [...allNodes(model.graph), ...model.functions.flatMap(({ node }) => node)];
  return nodes.find(({ opType }) => QUANTIZED_TYPES.test(opType));
}

/**
 * Refuses a model that is quantized already.
 *
 * @throws {ModelError} when the model holds quantized ops, because its float values are lost
 */
export function refuseQuantized(model: Model, origin: string): void {
  const quantized = findQuantizedNode(model);
  if (quantized !== undefined) {
    throw new ModelError(
      `${origin} is quantized already (node "${quantized.name}" is a ${quantized.opType}); give the float model that it was made from.`,
    );
  }
}

/** Longest name of a node or tensor, in characters; run records bound names that are made of two such names. */
const LONGEST_NAME = 480;

/** Number of characters of an overlong name that an error shows. */
const SHOWN_CHARACTERS = 40;

/**
 * Refuses a model with overlong names.
 *
 * @throws {ModelError} when the name of a node or tensor at the top level is too long for run records
 */
export function refuseLongNames({ graph }: Model, origin: string): void {
  const refuse = (what: string, name: string): void => {
    if (name.length <= LONGEST_NAME) return;
    throw new ModelError(
      `${origin} has a ${what} "${name.slice(0, SHOWN_CHARACTERS)}..." whose name has ${name.length} characters, more than the ${LONGEST_NAME} that can be recorded; rename it.`,
    );
  };
  for (const { name } of [...graph.input, ...graph.initializer]) refuse("tensor", name);
  for (const node of graph.node) {
    refuse("node", node.name);
    for (const name of node.output) refuse("tensor", name);
  }
}

/**
 * Refuses a model without outputs.
 *
 * @throws {ModelError} when the model has no outputs, so that nothing can be scored
 */
export function refuseWithoutOutputs({ graph }: Model, origin: string): void {
  if (graph.output.length > 0) return;
  throw new ModelError(`${origin} has no outputs, so that nothing of it can be scored; export it with some.`);
}

/**
 * Refuses a model with half-precision weights.
 *
 * @throws {ModelError} when weights are 16-bit floats, because ONNX Runtime's CPU kernels compute in float32
 */
export function refuseHalfPrecision(model: Model, origin: string): void {
  const constants = constantTensors(model.graph);
  for (const node of model.graph.node) {
    if (!WEIGHTED_TYPES.has(node.opType)) continue;
    const half = node.input.find((name) => HALF_TYPES.includes(constants.get(name)?.dataType ?? 0));
    if (half === undefined) continue;
    const type = DataType[constants.get(half)!.dataType];
    throw new ModelError(
      `${origin} keeps the weights "${half}" of node "${node.name}" in ${type}; export the model in float32.`,
    );
  }
}

/**
 * Refuses a model with weights that are not finite.
 *
 * @throws {ModelError} when a float constant holds NaN, or a weight infinity, which no scale can represent
 */
export function refuseNonFiniteWeights(model: Model, origin: string): void {
  const weights = new Set(
    model.graph.node
      .filter(({ opType }) => WEIGHTED_TYPES.has(opType))
      .flatMap(({ input }) => input.slice(0, 2)),
  );
  for (const tensor of model.graph.initializer) {
    if (tensor.dataType !== DataType.FLOAT || isExternal(tensor)) continue;
    const values = floatValues(tensor);
    // Infinity is allowed in constants that are not weights: a mask, as in attention, or a bias.
    const isUnfit = weights.has(tensor.name)
      ? (value: number) => !Number.isFinite(value)
      : (value: number) => Number.isNaN(value);
    const at = values.findIndex(isUnfit);
    if (at >= 0) {
      throw new ModelError(
        `${origin}: initializer "${tensor.name}" holds ${values[at]} at element ${at}; repair the weights and export the model again.`,
      );
    }
  }
}

function allNodes(graph: GraphProto): NodeProto[] {
  return graph.node.flatMap((node) => [node, ...nestedGraphs(node).flatMap(allNodes)]);
}

/** Initializers and the values of Constant nodes, keyed by tensor name. */
function constantTensors(graph: GraphProto): Map<string, TensorProto> {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const { opType, attribute, output } of graph.node) {
    const value = opType === "Constant" ? attribute.find(({ name }) => name === "value")?.t : undefined;
    if (value !== undefined) constants.set(output[0] ?? "", value);
  }
  return constants;
}
