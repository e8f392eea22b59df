import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { NewNames } from "../../onnx/model/new-names.js";
import { DataType, dimensions, makeTensor } from "../../onnx/model/tensor.js";
import type { ConstantProduct } from "../graph/constant-products.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";
import { adjustingAlgorithm } from "./algorithm.js";
import { correctionParameters, ignoredScope } from "./algorithm-parameters.js";
import { dequantizedWeights } from "./carried-errors.js";
import { correctableProducts } from "./correctable-products.js";
import { type BiasCorrectionSettings, fastBiasCorrection } from "./fast-bias-correction.js";

/** Default of the largest bias shift that is applied, in standard deviations of an op's output. */
const THRESHOLD = 1000;

/**
 * The algorithm that corrects biases like FastBiasCorrection, but op after op in topological order: it also
 * removes the output error of an op that the quantized and corrected ops before it cause through its input
 * (docs/reference/algorithms.md, "Bias correction").
 */
export const biasCorrection = adjustingAlgorithm({
  ...fastBiasCorrection,
  name: "BiasCorrection",
  parameters: correctionParameters(THRESHOLD),
  settingsOf: ({ threshold, apply_for_all_nodes, ignored }): BiasCorrectionSettings => ({
    sequential: true,
    ...(apply_for_all_nodes ? { everyNode: true } : {}),
    threshold,
    ignored: ignoredScope(ignored),
  }),
  productsWithInputErrors: (model, settings, quantized) =>
    correctableProducts(model, settings).filter(
      ({ op }) => settings.everyNode === true || quantized.has(op.key),
    ),
});

/** Share of the calibration samples on which the input errors of ops are measured, as in POT. */
const SAMPLE_SHARE = 0.2;

/**
 * The number of calibration samples on which the input errors of ops are measured: the first fifth, one at
 * least.
 */
export function propagationSamples(available: number): number {
  return Math.max(Math.floor(SAMPLE_SHARE * available), 1);
}

/** A product (Conv, MatMul, Gemm) whose weights are quantized or whose bias is corrected. */
export interface CorrectedProduct {
  readonly product: ConstantProduct;
  /** The quantized weights; `undefined` where the weights stay in float. */
  readonly codes: WeightCodes | undefined;
  /** Values added to the bias, one per output channel; `undefined` where the bias is left unchanged. */
  readonly shift: Float32Array | undefined;
}

/**
 * The float model with the weights of some products quantized and their biases corrected; activations stay in
 * float. It serves to measure the input errors of the next product. A shift is added by an Add behind its op,
 * which gives the same outputs as a changed bias.
 */
export function correctedModel(
  model: Model,
  view: OperandView,
  corrected: readonly CorrectedProduct[],
): Model {
  const names = new NewNames(view.index.names);
  const weights = new Map(corrected.map((each) => [each.product.weight, each]));
  const shifts = new Map(corrected.map(({ product, shift }) => [product.op.node, { product, shift }]));
  const constants: TensorProto[] = [];
  const node = model.graph.node.flatMap((each): NodeProto[] => {
    const found = shifts.get(each);
    if (found?.shift === undefined) return [each];
    const { product, shift } = found;
    const [output = ""] = each.output;
    const [inner, constant] = [names.name(`${output}/uncorrected`), names.name(`${output}/shift`)];
    const rank = view.tensors.get(output)!.shape.length;
    const behind = Array.from({ length: rank - 1 - product.outputAxis }, () => 1);
    constants.push(makeTensor(constant, DataType.FLOAT, [product.outputs, ...behind], shift!));
    const add = { opType: "Add", name: names.name(`${output}/Add`), input: [inner, constant] };
    return [edited(each, { output: [inner] }), create(NodeProtoSchema, { ...add, output: [output] })];
  });
  const initializer = model.graph.initializer.map((tensor) => {
    const found = weights.get(tensor.name);
    if (found?.codes === undefined) return tensor;
    const values = dequantizedWeights(found.product, found.codes);
    return makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), values);
  });
  return edited(model, { graph: edited(model.graph, { node, initializer: [...initializer, ...constants] }) });
}
