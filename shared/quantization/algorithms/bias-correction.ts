import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { NewNames } from "../../onnx/model/new-names.js";
import { DataType, dimensions, makeTensor } from "../../onnx/model/tensor.js";
import { statisticName } from "../../statistics/requirement.js";
import { dequantize } from "../arithmetic/affine.js";
import { type ConstantProduct, groupOfOutput, weightPosition } from "../graph/constant-products.js";
import { inputMeans } from "../graph/input-means.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";

/** Share of the samples that errors are carried along with (reference section 6.3). */
const SAMPLE_SHARE = 0.2;

/** Reference section 6.3, `batch_stat_size`. */
export function propagationSamples(available: number): number {
  return Math.max(Math.floor(SAMPLE_SHARE * available), 1);
}

/** A product as it is quantized and corrected. */
export interface CorrectedProduct {
  readonly product: ConstantProduct;
  /** `undefined` where its weights stay in float. */
  readonly codes: WeightCodes | undefined;
  /** What is added to its bias; `undefined` where that is left as it was. */
  readonly shift: Float32Array | undefined;
}

/**
 * The float model with some products' weights quantized and their biases corrected, and its activations in float: what
 * the next op reads when errors are carried along (reference section 6.3). A shift is added behind its op, which is
 * the same as in its bias.
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

/** What the codes of a product's constant stand for, in the constant's own layout. */
export function dequantizedWeights(
  product: Pick<ConstantProduct, "outputs" | "terms" | "outputsFirst">,
  { codes, channels }: WeightCodes,
): Float32Array {
  const values = new Float32Array(codes.length);
  for (let output = 0; output < product.outputs; output++) {
    const affine = channels[channels.length === 1 ? 0 : output]!;
    for (let term = 0; term < product.terms; term++) {
      const at = weightPosition(product, output, term);
      values[at] = dequantize(codes[at]!, affine);
    }
  }
  return values;
}

/**
 * How much the means of what products read differ from the float model's, by {@link inputErrorKey}: the errors of the
 * ops before them, quantized as in some configuration and corrected.
 */
export type InputErrors = ReadonlyMap<string, Float64Array>;

/** The same for products that read the same. */
export function inputErrorKey(product: ConstantProduct): string {
  return `${statisticName(inputMeans(product))} ${product.input}`;
}

/**
 * What the errors of an op's input do to the mean of each output: E[Wq (xq - x)], in double precision.
 * @param weights as they are multiplied with: dequantized, or in float
 */
export function carriedError(
  product: Pick<ConstantProduct, "outputs" | "terms" | "groups" | "outputsFirst">,
  weights: Float32Array,
  inputErrors: Float64Array,
): Float64Array {
  const { outputs, terms } = product;
  return Float64Array.from({ length: outputs }, (_, output) => {
    const start = groupOfOutput(product, output) * terms;
    let error = 0;
    for (let term = 0; term < terms; term++) {
      error += weights[weightPosition(product, output, term)]! * inputErrors[start + term]!;
    }
    return error;
  });
}
