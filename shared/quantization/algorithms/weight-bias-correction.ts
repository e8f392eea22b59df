import { floatValues } from "../../onnx/model/tensor.js";
import { mergeRequirements, type StatisticsRequirement } from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { dequantize } from "../arithmetic/affine.js";
import {
  type ConstantProduct,
  constantProduct,
  groupOfOutput,
  weightPosition,
} from "../graph/constant-products.js";
import type { QuantizerLayout, WeightQuantizer } from "../graph/groups.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { inputMeans } from "../graph/input-means.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import type { WeightCache } from "../rewrite/weight-cache.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";
import type { TensorPlan } from "../space/plan.js";

export interface WeightBiasCorrectionSettings {
  readonly ignored: IgnoredScope;
}

/**
 * Gives quantized weights the mean and the deviation that they had (reference section 6.4): w' = v wq + mu for each
 * output channel, v = std(w) / std(wq), mu = mean(w) - mean(v wq). POT adds 1e-5 to std(wq), which shrinks small weights.
 *
 * In QDQ the factor goes into the scale. The offset cannot go into the codes: it is a small part of a step, and a zero
 * point is a whole one. But what it adds to an output is mu times the sum of the inputs, whose mean goes into the bias.
 * A bias correction beside this one takes that along, as it looks at the weights that come out here. Where one scale
 * serves all channels, so do v and mu.
 */
export class WeightBiasCorrection {
  readonly #byWeight: ReadonlyMap<string, ConstantProduct>;
  readonly #byOp: ReadonlyMap<string, ConstantProduct>;
  readonly #inputSums = new Map<string, Float64Array>();

  constructor(
    private readonly layout: QuantizerLayout,
    private readonly view: OperandView,
    settings: WeightBiasCorrectionSettings,
    private readonly statistics: StatisticsTable,
  ) {
    const products = correctableProducts(layout, view, settings);
    this.#byWeight = new Map(products.map((product) => [product.weight, product]));
    this.#byOp = new Map(products.map((product) => [product.op.key, product]));
  }

  /** @param smallestScales below which scales are not lowered, as the bias would not fit (`quantizeWeights`) */
  refine({ id }: WeightQuantizer, codes: WeightCodes, smallestScales?: readonly number[]): WeightCodes {
    const product = this.#byWeight.get(id);
    if (product === undefined) return codes;
    const weights = floatValues(this.view.index.initializers.get(id)!);
    return withDeviation(product, weights, codes, smallestScales);
  }

  /** What mu adds to the op's bias on average, a value an output channel. */
  shift(key: string, plan: TensorPlan, weights: WeightCache): Float32Array | undefined {
    const product = this.#byOp.get(key);
    if (product === undefined) return undefined;
    const float = floatValues(this.view.index.initializers.get(product.weight)!);
    const codes = weights.get(this.layout.weights.get(product.weight)!, plan);
    const offsets = meanOffsets(product, float, codes);
    const sums = this.#sumsOf(product);
    return Float32Array.from({ length: product.outputs }, (_, output) => {
      const offset = offsets[offsets.length === 1 ? 0 : output]!;
      return offset * sums[groupOfOutput(product, output)]!;
    });
  }

  /** E of the sum of what a group reads. */
  #sumsOf(product: ConstantProduct): Float64Array {
    const { op, input, groups, terms } = product;
    let sums = this.#inputSums.get(op.key);
    if (sums === undefined) {
      const means = this.statistics.channels(input, inputMeans(product), "mean");
      sums = Float64Array.from({ length: groups }, (_, group) =>
        means.subarray(group * terms, (group + 1) * terms).reduce((sum, mean) => sum + mean, 0),
      );
      this.#inputSums.set(op.key, sums);
    }
    return sums;
  }
}

/** The means of the inputs, which the offsets are multiplied by. */
export function weightBiasStatistics(
  layout: QuantizerLayout,
  view: OperandView,
  settings: WeightBiasCorrectionSettings,
): StatisticsRequirement {
  return correctableProducts(layout, view, settings).reduce<StatisticsRequirement>(
    (all, product) => mergeRequirements(all, new Map([[product.input, [inputMeans(product)]]])),
    new Map(),
  );
}

function correctableProducts(
  layout: QuantizerLayout,
  view: OperandView,
  { ignored }: WeightBiasCorrectionSettings,
): ConstantProduct[] {
  return [...layout.ops.values()]
    .filter(({ node }) => !isIgnored(node, ignored))
    .flatMap((op) => constantProduct(op, view) ?? []);
}

type Matrix = Pick<ConstantProduct, "outputs" | "terms" | "outputsFirst">;

/** The codes with every scale multiplied by v; a channel that does not vary before or after keeps its own. */
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

/** mu of each scale: the mean of the weights less that of what their codes stand for. */
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
