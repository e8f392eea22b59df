import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, dimensions, floatValues, makeTensor } from "../../onnx/model/tensor.js";
import type { ChannelStatistic, StatisticsRequirement } from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import type { TensorInfo } from "../graph/quantizable-ops.js";
import { ownsConstants } from "./owned-constants.js";

/** A constant whose values belong to the channels of a tensor. */
interface ChannelledConstant {
  readonly name: string;
  /** The channel of the value at a place in row-major order. */
  readonly channelOf: (at: number) => number;
}

/** A tensor that products with constants alone read, and whose channels can be divided where it is made. */
export interface SmoothableTensor {
  readonly tensor: string;
  /** Its last one. */
  readonly axis: number;
  readonly channels: number;
  /** Divided by the factors of their channels: gains and biases of a LayerNormalization, or a product's columns. */
  readonly made: readonly ChannelledConstant[];
  /** Multiplied by them: the rows of the products' constants. */
  readonly read: readonly ChannelledConstant[];
}

export interface SmoothingSettings {
  /** How much of an activation's unevenness goes into the weights: 0 none, 1 all. */
  readonly alpha: number;
  readonly ignored: IgnoredScope;
}

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
    const read = readers.map(({ node }) => termsOf(node, index));
    const channels = read[0]!.channels;
    const made = makers(tensor, channels, index, ignored);
    return made === undefined ? [] : [{ tensor, axis: rank - 1, channels, made, read }];
  });
}

function isProduct({ opType, domain }: NodeProto): boolean {
  return (opType === "MatMul" || opType === "Gemm") && domain === "";
}

/** Whether a product's second operand is a matrix of its own, and its first one is not transposed. */
function ownsMatrix(node: NodeProto, index: GraphIndex): boolean {
  const tensor = index.initializers.get(node.input[1] ?? "");
  return tensor?.dims.length === 2 && ownsConstants(node, index) && intAttribute(node, "transA", 0) === 0;
}

function termsOf(node: NodeProto, index: GraphIndex): ChannelledConstant & { readonly channels: number } {
  const [rows = 1, columns = 1] = dimensions(index.initializers.get(node.input[1]!)!);
  const transposed = intAttribute(node, "transB", 0) !== 0;
  return {
    name: node.input[1]!,
    channels: transposed ? columns : rows,
    channelOf: transposed ? (at) => at % columns : (at) => Math.floor(at / columns),
  };
}

/**
 * The constants by which the last axis of a tensor is scaled, from the tensor upwards through biases and Relu to a gain
 * or a product; `undefined` where something else stands there, or reads what lies between.
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
      const [, columns = 1] = dimensions(index.initializers.get(node.input[1]!)!);
      const transposed = intAttribute(node, "transB", 0) !== 0;
      const matrix: ChannelledConstant = {
        name: node.input[1]!,
        channelOf: transposed ? (at) => Math.floor(at / columns) : (at) => at % columns,
      };
      const bias = node.input[2] ?? "";
      if (bias === "") return [matrix];
      return isAlongLastAxis(bias, channels, index) ? [matrix, last(bias)] : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether a constant that nobody else reads has a value for each channel along the last axis, and no more. */
function isAlongLastAxis(name: string, channels: number, index: GraphIndex): boolean {
  const tensor = index.initializers.get(name);
  if (tensor?.dataType !== DataType.FLOAT || index.consumers(name).length !== 1) return false;
  if (index.isVisibleOutside(name)) return false;
  const dims = dimensions(tensor);
  return dims.at(-1) === channels && dims.slice(0, -1).every((dim) => dim === 1);
}

const end = (axis: number, side: "min" | "max"): ChannelStatistic => ({
  type: "channel_quantile",
  axis,
  side,
  outlierProb: 0,
});

/** Both ends of every channel. */
export function smoothingStatistics(found: readonly SmoothableTensor[]): StatisticsRequirement {
  return new Map(found.map(({ tensor, axis }) => [tensor, [end(axis, "min"), end(axis, "max")]]));
}

/**
 * Moves the unevenness of activations' channels into the weights that read them (Xiao et al. 2023, "SmoothQuant:
 * Accurate and Efficient Post-Training Quantization for Large Language Models", equation 4): channel j is divided by
 * s = max|x_j|^alpha / max|w_j|^(1 - alpha) where it is made, and row j of the weights multiplied by it.
 *
 * The factors are then rounded to powers of two, so that the model computes the very same numbers.
 */
export function smoothActivations(
  model: Model,
  index: GraphIndex,
  found: readonly SmoothableTensor[],
  statistics: StatisticsTable,
  alpha: number,
): Model {
  const values = new Map<string, Float32Array>();
  const constant = (name: string): Float32Array =>
    values.get(name) ?? floatValues(index.initializers.get(name)!);
  const scale = ({ name, channelOf }: ChannelledConstant, factor: (channel: number) => number): void => {
    values.set(
      name,
      constant(name).map((value, at) => value * factor(channelOf(at))),
    );
  };
  for (const { tensor, axis, channels, made, read } of found) {
    const low = statistics.channels(tensor, end(axis, "min"), "min");
    const high = statistics.channels(tensor, end(axis, "max"), "max");
    const weights = new Float64Array(channels);
    for (const { name, channelOf } of read) {
      constant(name).forEach((value, at) => {
        const channel = channelOf(at);
        weights[channel] = Math.max(weights[channel]!, Math.abs(value));
      });
    }
    const activations = low.map((least, channel) => Math.max(Math.abs(least), Math.abs(high[channel]!)));
    const factors = smoothingFactors(activations, weights, alpha);
    for (const each of made) scale(each, (channel) => 1 / factors[channel]!);
    for (const each of read) scale(each, (channel) => factors[channel]!);
  }
  const initializer = model.graph.initializer.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined
      ? tensor
      : makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), changed);
  });
  return edited(model, { graph: edited(model.graph, { initializer }) });
}

/**
 * What each channel is divided by, as powers of two; 1 where a channel is always zero or not finite, or its weights are.
 * @param activations largest magnitudes, a channel each
 * @param weights largest magnitudes of what reads the channel
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
