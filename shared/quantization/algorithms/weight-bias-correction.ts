import { keptIn } from "../../basics/kept-in.js";
import { floatValues } from "../../onnx/model/tensor.js";
import { mergeRequirements, type StatisticsRequirement } from "../../statistics/requirement.js";
import { dequantize } from "../arithmetic/affine.js";
import { type ConstantProduct, groupOfOutput, weightPosition } from "../graph/constant-products.js";
import { inputMeans } from "../graph/input-means.js";
import type { Refinement, WeightCache } from "../rewrite/weight-cache.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";
import type { TensorPlan } from "../space/plan.js";
import {
  type Adjustment,
  type AlgorithmSettings,
  adjustingAlgorithm,
  type CalibratedModel,
  type LaidOutModel,
} from "./algorithm.js";
import { ignored, ignoredScope, parameters, tune } from "./algorithm-parameters.js";
import { correctableProducts } from "./correctable-products.js";

/**
 * The algorithm that gives quantized weights the mean and the standard deviation of the float weights
 * (docs/reference/algorithms.md, "Weight bias correction").
 */
export const weightBiasCorrection = adjustingAlgorithm({
  name: "WeightBiasCorrection",
  settingsKey: "weightBiasCorrection",
  stage: "shift",
  parameters: parameters({ tune, ignored }).prefault({}),
  settingsOf: ({ ignored }): AlgorithmSettings => ({ ignored: ignoredScope(ignored) }),
  hasEffect: (model, settings) => correctableProducts(model, settings).length > 0,
  statistics: weightBiasStatistics,
  adjust: (model, settings) => new WeightMomentCorrection(model, settings),
});

/**
 * The statistics that the correction needs: means of the products' inputs, by which the offsets of the weights
 * are multiplied.
 */
function weightBiasStatistics(model: LaidOutModel, settings: AlgorithmSettings): StatisticsRequirement {
  return correctableProducts(model, settings)
    .map((product) => new Map([[product.input, [inputMeans(product)]]]))
    .reduce<StatisticsRequirement>(mergeRequirements, new Map());
}

/**
 * Corrects quantized weights wq to w' = v wq + mu per output channel, with v = std(w) / std(wq) and mu =
 * mean(w) - mean(v wq) of the float weights w; per tensor where all channels share one scale. POT adds 1e-5 to
 * std(wq), which shrinks small weights.
 *
 * The factor v goes into the scale. The offset mu is a small part of a step, so that no zero point can express
 * it; but it adds mu times the sum of the inputs to an output, and the mean of that goes into the bias. A bias
 * correction that follows includes this shift, since it compares the weights after this correction with the
 * float weights.
 */
class WeightMomentCorrection implements Adjustment {
  readonly #byWeight: ReadonlyMap<string, ConstantProduct>;
  readonly #byOp: ReadonlyMap<string, ConstantProduct>;
  readonly #inputSums = new Map<string, Float64Array>();

  constructor(
    private readonly model: CalibratedModel,
    settings: AlgorithmSettings,
  ) {
    const products = correctableProducts(model, settings);
    this.#byWeight = new Map(products.map((product) => [product.weight, product]));
    this.#byOp = new Map(products.map((product) => [product.op.key, product]));
  }

  readonly refine: Refinement = ({ id }, _plan, codes, smallestScales) => {
    const product = this.#byWeight.get(id);
    if (product === undefined) return codes;
    const weights = floatValues(this.model.view.index.initializers.get(id)!);
    return withDeviation(product, weights, codes, smallestScales);
  };

  shift(op: string, plan: TensorPlan | undefined, weights: WeightCache): Float32Array | undefined {
    const product = this.#byOp.get(op);
    if (product === undefined || plan === undefined) return undefined;
    const { view, layout } = this.model;
    const float = floatValues(view.index.initializers.get(product.weight)!);
    const codes = weights.get(layout.weights.get(product.weight)!, plan);
    const offsets = meanOffsets(product, float, codes);
    const sums = this.#sumsOf(product);
    return Float32Array.from({ length: product.outputs }, (_, output) => {
      const offset = offsets[offsets.length === 1 ? 0 : output]!;
      return offset * sums[groupOfOutput(product, output)]!;
    });
  }

  /** For each convolution group of a product, the mean of the sum of its input terms. */
  #sumsOf(product: ConstantProduct): Float64Array {
    const { op, input, groups, terms } = product;
    return keptIn(this.#inputSums, op.key, () => {
      const means = this.model.statistics.channels(input, inputMeans(product), "mean");
      return Float64Array.from({ length: groups }, (_, group) =>
        means.subarray(group * terms, (group + 1) * terms).reduce((sum, mean) => sum + mean, 0),
      );
    });
  }
}

type Matrix = Pick<ConstantProduct, "outputs" | "terms" | "outputsFirst">;

/**
 * The quantized weights with every scale multiplied by v = std(w) / std(wq), float over quantized weights; a
 * channel whose weights or codes do not vary keeps its scale.
 *
 * @param smallestScales lower limits of the scales, below which a bias would not fit
 */
export function withDeviation(
  matrix: Matrix,
  weights: Float32Array,
  { codes, channels }: WeightCodes,
  smallestScales?: readonly number[],
): WeightCodes {
  const scaled = channels.map((affine, channel) => {
    const outputs = outputsOf(matrix, channels.length, channel);
    const float = spread(matrix, outputs, (at) => weights[at]!);
    const quantized = spread(matrix, outputs, (at) => dequantize(codes[at]!, affine));
    if (float.deviation === 0 || quantized.deviation === 0) return affine;
    const scale = affine.scale * (float.deviation / quantized.deviation);
    return { ...affine, scale: Math.fround(Math.max(scale, smallestScales?.[channel] ?? 0)) };
  });
  return { codes, channels: scaled };
}

/** The offset mu for each scale: the mean of the float weights minus the mean of the dequantized ones. */
export function meanOffsets(
  matrix: Matrix,
  weights: Float32Array,
  { codes, channels }: WeightCodes,
): Float64Array {
  return Float64Array.from(channels, (affine, channel) => {
    const outputs = outputsOf(matrix, channels.length, channel);
    const float = spread(matrix, outputs, (at) => weights[at]!);
    return float.mean - spread(matrix, outputs, (at) => dequantize(codes[at]!, affine)).mean;
  });
}

function outputsOf({ outputs }: Matrix, scales: number, channel: number): readonly number[] {
  return scales === 1 ? Array.from({ length: outputs }, (_, output) => output) : [channel];
}

function spread(
  matrix: Matrix,
  outputs: readonly number[],
  valueAt: (at: number) => number,
): { readonly mean: number; readonly deviation: number } {
  const count = outputs.length * matrix.terms;
  const total = (of: (value: number) => number): number => {
    let sum = 0;
    for (const output of outputs) {
      for (let term = 0; term < matrix.terms; term++)
        sum += of(valueAt(weightPosition(matrix, output, term)));
    }
    return sum;
  };
  const mean = total((value) => value) / count;
  return { mean, deviation: Math.sqrt(total((value) => (value - mean) ** 2) / count) };
}
