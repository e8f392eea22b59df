import { ModelError } from "../errors.js";
import { nestedGraphs } from "./attributes.js";
import type { Model } from "./codec.js";
import { DataType, floatValues, isExternal } from "./tensor.js";

const QUANTIZED_TYPES =
  /^(QuantizeLinear|DequantizeLinear|DynamicQuantize\w+|QLinear\w+|QGemm|QAttention|ConvInteger|MatMulInteger\w*|MatMulNBits|DynamicQuantizeMatMul)$/;

/** @throws {ModelError} when the model has been quantized before: its float values are gone */
export function refuseQuantized(model: Model, origin: string): void {
  const nodes = [model.graph, ...model.graph.node.flatMap(nestedGraphs)].flatMap(({ node }) => node);
  const quantized = nodes.find(({ opType }) => QUANTIZED_TYPES.test(opType));
  if (quantized !== undefined) {
    throw new ModelError(
      `${origin} is quantized already (node "${quantized.name}" is a ${quantized.opType}); give the float model that it was made from.`,
    );
  }
}

/** @throws {ModelError} when a float constant is NaN or infinite, which no scale can hold */
export function refuseNonFiniteWeights(model: Model, origin: string): void {
  for (const tensor of model.graph.initializer) {
    if (tensor.dataType !== DataType.FLOAT || isExternal(tensor)) continue;
    const values = floatValues(tensor);
    const at = values.findIndex((value) => Number.isNaN(value));
    if (at >= 0) {
      throw new ModelError(
        `${origin}: initializer "${tensor.name}" holds NaN at element ${at}; repair the weights and export the model again.`,
      );
    }
  }
}
