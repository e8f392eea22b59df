import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { dimensions } from "../../onnx/model/tensor.js";
import type { ChannelStatistic, StatisticsRequirement } from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { numberBetween } from "../../validation/requirement.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import type { TensorInfo } from "../graph/quantizable-ops.js";
import { type AlgorithmSettings, rewritingAlgorithm } from "./algorithm.js";
import {
  choicesOf,
  ignored,
  ignoredScope,
  parameters,
  sampling,
  samplingOf,
  tune,
} from "./algorithm-parameters.js";
import {
  type ChannelledConstant,
  ConstantScaling,
  isRewritable,
  largestMagnitudes,
  ownsConstants,
  withConstants,
} from "./rewritable-constants.js";

export interface SmoothQuantSettings extends AlgorithmSettings {
  /** Share of the activations' unevenness between channels that is moved into the weights: 0 none, 1 all. */
  readonly alpha: number;
}

/**
 * The algorithm that moves large activations of single channels into the weights (docs/reference/algorithms.md,
 * "SmoothQuant").
 */
export const smoothQuant = rewritingAlgorithm({
  name: "SmoothQuant",
  settingsKey: "smoothing",
  stage: "rewrite",
  parameters: parameters({
    tune,
    ...sampling,
    alpha: numberBetween(0, 1, "alpha_choices")
      .default(0.5)
      .describe(
        "Share of the activations' spread between channels that is moved into the weights: 0 none, 1 all.",
      ),
    alpha_choices: choicesOf(numberBetween(0, 1)).describe(
      "Alphas that the search chooses from, besides alpha, which is that of the preset configuration.",
    ),
    ignored,
  }).prefault({}),
  tunedSetting: "alpha",
  settingsOf: ({ alpha, ignored, ...params }): SmoothQuantSettings => ({
    alpha,
    ignored: ignoredScope(ignored),
    sampling: samplingOf(params),
  }),
  findRewriting({ view: { index, tensors } }, { alpha, ignored }) {
    const found = findSmoothableTensors(index, tensors, ignored);
    if (found.length === 0) return undefined;
    return {
      statistics: smoothingStatistics(found),
      apply: (model, statistics, key) => ({
        model: smoothActivations(model, index, found, statistics, alpha),
        description: `SmoothQuant ${alpha} ${key}`,
      }),
    };
  },
});

/** A tensor that only products with constants read, and whose channels can be scaled by constants before it. */
export interface SmoothableTensor {
  readonly tensor: string;
  /** The tensor's channel axis: the last one. */
  readonly axis: number;
  readonly channels: number;
  /**
   * Constants before the tensor, which are divided by the channels' factors: a LayerNormalization's gain and
   * bias, or a product's columns.
   */
  readonly made: readonly ChannelledConstant[];
  /**
   * Constants behind the tensor, which are multiplied by the channels' factors: the rows of the weights of the
   * products.
   */
  readonly read: readonly ChannelledConstant[];
}

/** The tensors whose channels can be scaled, in the order of the products that read them. */
export function findSmoothableTensors(
  index: GraphIndex,
  tensors: ReadonlyMap<string, TensorInfo>,
  ignored: IgnoredScope,
): SmoothableTensor[] {
  const candidates = new Set(index.nodes.filter(isProduct).map(({ input }) => input[0]!));
  return [...candidates].flatMap((tensor) => {
    const readers = index.consumers(tensor);
    const rank = tensors.get(tensor)?.shape.length ?? 0;
    const alone = readers.every(
      ({ node, input }) =>
        input === 0 && isProduct(node) && !isIgnored(node, ignored) && ownsMatrix(node, index),
    );
    if (rank < 2 || !alone || index.isVisibleOutside(tensor)) return [];
    const read = readers.map(({ node }) => matrixOf(node, index, "terms"));
    const channels = read[0]!.channels;
    const made = makers(tensor, channels, index, ignored);
    return made === undefined ? [] : [{ tensor, axis: rank - 1, channels, made, read }];
  });
}

function isProduct({ opType, domain }: NodeProto): boolean {
  return (opType === "MatMul" || opType === "Gemm") && domain === "";
}

/** Whether a product's weights are a matrix that no other node reads, and its activations are not transposed. */
function ownsMatrix(node: NodeProto, index: GraphIndex): boolean {
  const tensor = index.initializers.get(node.input[1] ?? "");
  return tensor?.dims.length === 2 && ownsConstants(node, index) && intAttribute(node, "transA", 0) === 0;
}

/** A product's weights, with its input terms or its outputs as their channels. */
function matrixOf(node: NodeProto, index: GraphIndex, channelsAre: "terms" | "outputs") {
  const [name = ""] = node.input.slice(1);
  const [rows = 1, columns = 1] = dimensions(index.initializers.get(name)!);
  const areRows = (channelsAre === "terms") === (intAttribute(node, "transB", 0) === 0);
  const channelOf = areRows
    ? (at: number): number => Math.floor(at / columns)
    : (at: number): number => at % columns;
  return { name, channels: areRows ? rows : columns, channelOf };
}

/**
 * The constants before a tensor that scale its channels: upwards from the tensor through biases and Relu to the gain of
 * a normalization or the weights of a product. `undefined` where another op is met, or another node reads on the way.
 */
function makers(
  tensor: string,
  channels: number,
  index: GraphIndex,
  ignored: IgnoredScope,
): ChannelledConstant[] | undefined {
  const node = index.producer(tensor);
  if (node === undefined || node.domain !== "" || isIgnored(node, ignored)) return undefined;
  const above = (input: string): ChannelledConstant[] | undefined =>
    index.consumers(input).length === 1 && !index.isVisibleOutside(input)
      ? makers(input, channels, index, ignored)
      : undefined;
  const last = (name: string): ChannelledConstant => ({ name, channelOf: (at) => at % channels });
  switch (node.opType) {
    case "Add":
    case "Mul": {
      const constant = node.input.findIndex((name) => isAlongLastAxis(name, channels, index));
      if (constant === -1) return undefined;
      const own = last(node.input[constant]!);
      if (node.opType === "Mul") return [own];
      const others = above(node.input[1 - constant]!);
      return others === undefined ? undefined : [own, ...others];
    }
    case "LayerNormalization": {
      const constants = node.input.slice(1).filter((name) => name !== "");
      return constants.every((name) => isAlongLastAxis(name, channels, index))
        ? constants.map(last)
        : undefined;
    }
    case "Relu":
      return above(node.input[0]!);
    case "MatMul":
    case "Gemm": {
      if (!ownsMatrix(node, index)) return undefined;
      const matrix = matrixOf(node, index, "outputs");
      const bias = node.input[2] ?? "";
      if (bias === "") return [matrix];
      return isAlongLastAxis(bias, channels, index) ? [matrix, last(bias)] : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether a constant can be rewritten and has exactly one value per channel, along the last axis. */
function isAlongLastAxis(name: string, channels: number, index: GraphIndex): boolean {
  if (!isRewritable(name, index)) return false;
  const dims = dimensions(index.initializers.get(name)!);
  return dims.at(-1) === channels && dims.slice(0, -1).every((dim) => dim === 1);
}

const end = (axis: number, side: "min" | "max"): ChannelStatistic => ({
  type: "channel_quantile",
  axis,
  side,
  outlierProb: 0,
});

/** The statistics that smoothing needs: minimum and maximum per channel of each tensor. */
export function smoothingStatistics(found: readonly SmoothableTensor[]): StatisticsRequirement {
  return new Map(found.map(({ tensor, axis }) => [tensor, [end(axis, "min"), end(axis, "max")]]));
}

/**
 * Moves large activations of single channels into the weights (Xiao et al. 2023, "SmoothQuant: Accurate and Efficient
 * Post-Training Quantization for Large Language Models", equation 4): channel j is divided by
 * s = max|x_j|^alpha / max|w_j|^(1 - alpha) before the tensor, and row j of the weights behind it multiplied by s.
 *
 * The factors are rounded to powers of two, so that the model computes exactly the same numbers.
 */
export function smoothActivations(
  model: Model,
  index: GraphIndex,
  found: readonly SmoothableTensor[],
  statistics: StatisticsTable,
  alpha: number,
): Model {
  const scaling = new ConstantScaling(index);
  for (const { tensor, axis, channels, made, read } of found) {
    const low = statistics.channels(tensor, end(axis, "min"), "min");
    const high = statistics.channels(tensor, end(axis, "max"), "max");
    const weights = new Float64Array(channels);
    for (const { name, channelOf } of read) largestMagnitudes(scaling.of(name), channelOf, weights);
    const activations = low.map((least, channel) => Math.max(Math.abs(least), Math.abs(high[channel]!)));
    const factors = smoothingFactors(activations, weights, alpha);
    for (const each of made) scaling.scale(each, (channel) => 1 / factors[channel]!);
    for (const each of read) scaling.scale(each, (channel) => factors[channel]!);
  }
  return withConstants(model, scaling.values);
}

/**
 * For each channel, the power of two that its activations are divided by; 1 where activations or weights are
 * all zero or not finite.
 *
 * @param activations largest magnitude per channel
 * @param weights largest magnitude per channel of the weights that read it
 */
export function smoothingFactors(
  activations: Float64Array,
  weights: Float64Array,
  alpha: number,
): Float64Array {
  return activations.map((activation, channel) => {
    const weight = weights[channel]!;
    if (!isPositive(activation) || !isPositive(weight)) return 1;
    return 2 ** Math.round(alpha * Math.log2(activation) - (1 - alpha) * Math.log2(weight));
  });
}

function isPositive(value: number): boolean {
  return value > 0 && Number.isFinite(value);
}
