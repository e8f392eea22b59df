import type { NodeProto } from "onnx-buf";
import { convolutionWindow } from "../../onnx/graph/convolution-window.js";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, dimensions, elementCount, floatValues, makeTensor } from "../../onnx/model/tensor.js";
import { quantileOfSorted } from "../../statistics/quantile.js";
import type { ChannelStatistic, StatisticsRequirement } from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { ownsConstants } from "./owned-constants.js";

const OUTLIER_PROBABILITY = 1e-4;
const SMALLEST_FACTOR = 0.01;
const LARGEST_FACTOR = 100;
const CHANNEL_AXIS = 1;

const LOW: ChannelStatistic = {
  type: "channel_quantile",
  axis: CHANNEL_AXIS,
  side: "min",
  outlierProb: OUTLIER_PROBABILITY,
};
const HIGH: ChannelStatistic = { ...LOW, side: "max" };

/** Two convolutions behind each other with nothing between them. */
export interface AlignablePair {
  readonly producer: NodeProto;
  readonly consumer: NodeProto;
}

/**
 * Pairs whose channels can be shifted and scaled without changing the function (reference section 6.1): a Conv of one
 * group that neither pads, strides nor dilates, and that alone reads another Conv. A MatMul's channels lie on its last
 * axis and a Conv's on the second, so that no MatMul makes a pair; an Add between the two is in the producer's bias
 * since constants were folded.
 */
export function findAlignablePairs(index: GraphIndex, ignored: IgnoredScope): AlignablePair[] {
  return index.nodes
    .filter((consumer) => isPlainConvolution(consumer, index))
    .flatMap((consumer) => {
      const producer = index.producer(consumer.input[0]!);
      return producer?.opType === "Conv" &&
        producer.domain === "" &&
        index.consumers(producer.output[0]!).length === 1 &&
        !index.isVisibleOutside(producer.output[0]!) &&
        [producer, consumer].every((node) => !isIgnored(node, ignored) && ownsConstants(node, index))
        ? [{ producer, consumer }]
        : [];
    });
}

function isPlainConvolution(node: NodeProto, index: GraphIndex): boolean {
  const weight = index.initializers.get(node.input[1] ?? "");
  if (node.opType !== "Conv" || node.domain !== "" || weight === undefined) return false;
  const { strides, dilations, pads, autoPad } = convolutionWindow(node, dimensions(weight).slice(2));
  return (
    intAttribute(node, "group", 1) === 1 &&
    (autoPad === "NOTSET" || autoPad === "VALID") &&
    pads.every((pad) => pad === 0) &&
    [...strides, ...dilations].every((step) => step === 1)
  );
}

/** Quantiles of every channel that a producer makes. */
export function alignmentStatistics(pairs: readonly AlignablePair[]): StatisticsRequirement {
  return new Map(pairs.map(({ producer }) => [producer.output[0]!, [LOW, HIGH]]));
}

/**
 * Centres the channels between two convolutions and brings their ranges near their median, so that one scale serves
 * all of them; the function stays as it was.
 */
export function alignChannels(
  model: Model,
  index: GraphIndex,
  pairs: readonly AlignablePair[],
  statistics: StatisticsTable,
): Model {
  const values = new Map<string, Float32Array>();
  const constant = (name: string): Float32Array => {
    let own = values.get(name);
    if (own === undefined) {
      own = Float32Array.from(floatValues(index.initializers.get(name)!));
      values.set(name, own);
    }
    return own;
  };
  for (const { producer, consumer } of pairs) {
    const made = producer.output[0]!;
    const alignment = channelAlignment(
      statistics.channels(made, LOW, "median"),
      statistics.channels(made, HIGH, "median"),
    );
    if (alignment === undefined) continue;
    const [, weightOut = "", biasOut = ""] = producer.input;
    const [, weightIn = "", biasIn = ""] = consumer.input;
    const taps = elementCount(dimensions(index.initializers.get(weightIn)!).slice(2));
    const makes = { weight: constant(weightOut), bias: biasOut === "" ? undefined : constant(biasOut) };
    const reads = { weight: constant(weightIn), bias: biasIn === "" ? undefined : constant(biasIn), taps };
    align(makes, reads, alignment);
  }
  const initializer = model.graph.initializer.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined
      ? tensor
      : makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), changed);
  });
  return edited(model, { graph: edited(model.graph, { initializer }) });
}

interface Alignment {
  readonly means: Float64Array;
  readonly factors: Float64Array;
}

/**
 * What is subtracted from each channel, and what it is divided by (reference section 6.1).
 * @returns `undefined` where no channel varies, or one is not finite
 */
export function channelAlignment(low: Float64Array, high: Float64Array): Alignment | undefined {
  const spans = high.map((end, channel) => end - low[channel]!);
  if (!spans.every(Number.isFinite)) return undefined;
  const positive = spans.filter((span) => span > 0).sort();
  if (positive.length === 0) return undefined;
  const usual = quantileOfSorted(positive, 0.5);
  return {
    means: high.map((end, channel) => (low[channel]! + end) / 2),
    factors: spans.map((span) =>
      span > 0 ? Math.min(LARGEST_FACTOR, Math.max(SMALLEST_FACTOR, span / usual)) : 1,
    ),
  };
}

interface Producing {
  /** [channels, ...] */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

interface Consuming {
  /** [outputs, channels, taps] */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly taps: number;
}

/** Means first, with the weights as they were before scaling; in place. */
function align(producer: Producing, consumer: Consuming, { means, factors }: Alignment): void {
  const channels = factors.length;
  const each = producer.weight.length / channels;
  const outputs = consumer.weight.length / (channels * consumer.taps);
  if (producer.bias !== undefined && consumer.bias !== undefined) {
    for (let channel = 0; channel < channels; channel++) producer.bias[channel]! -= means[channel]!;
    for (let output = 0; output < outputs; output++) {
      let moved = 0;
      for (let i = 0; i < channels * consumer.taps; i++) {
        const weight = consumer.weight[output * channels * consumer.taps + i]!;
        moved += weight * means[Math.floor(i / consumer.taps)]!;
      }
      consumer.bias[output]! += moved;
    }
  }
  producer.weight.forEach((value, i) => {
    producer.weight[i] = value / factors[Math.floor(i / each)]!;
  });
  producer.bias?.forEach((value, channel) => {
    producer.bias![channel] = value / factors[channel]!;
  });
  consumer.weight.forEach((value, i) => {
    consumer.weight[i] = value * factors[Math.floor(i / consumer.taps) % channels]!;
  });
}
