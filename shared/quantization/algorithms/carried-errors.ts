import { statisticName } from "../../statistics/requirement.js";
import { dequantize } from "../arithmetic/affine.js";
import { type ConstantProduct, groupOfOutput, weightPosition } from "../graph/constant-products.js";
import { inputMeans } from "../graph/input-means.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";

/**
 * Mean errors of products' input terms by {@link inputErrorKey}: the terms' means minus those of the float
 * model. The ops before the product cause them, quantized as in some configuration and corrected.
 */
export type InputErrors = ReadonlyMap<string, Float64Array>;

/**
 * A key of the input terms that a product multiplies with its weights: equal for products with the same input
 * terms.
 */
export function inputErrorKey(product: ConstantProduct): string {
  return `${statisticName(inputMeans(product))} ${product.input}`;
}

/** The real values that the codes of a product's weights represent, in the layout of the weights. */
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
 * The mean output error E[W (xq - x)] of each output channel that a product's input errors cause, in double
 * precision.
 *
 * @param weights the product's weights W: dequantized, or in float where they stay in float
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
