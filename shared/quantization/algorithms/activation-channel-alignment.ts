import type { NodeProto } from "onnx-buf";
import { keptIn } from "../../basics/kept-in.js";
import { convolutionWindow } from "../../onnx/graph/convolution-window.js";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { dimensions, elementCount, floatValues } from "../../onnx/model/tensor.js";
import { quantileOfSorted } from "../../statistics/quantile.js";
import type { ChannelStatistic, StatisticsRequirement } from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { type AlgorithmSettings, rewritingAlgorithm } from "./algorithm.js";
import { ignored, ignoredScope, parameters, sampling, samplingOf, tune } from "./algorithm-parameters.js";
import { ownsConstants, withConstants } from "./rewritable-constants.js";

/**
 * The algorithm that centres and evens out the channels of the tensor between two convolutions
 * (docs/reference/algorithms.md, "Activation channel alignment").
 */
export const activationChannelAlignment = rewritingAlgorithm({
  name: "ActivationChannelAlignment",
  settingsKey: "channelAlignment",
  stage: "rewrite",
  parameters: parameters({ tune, ...sampling, ignored }).prefault({}),
  settingsOf: ({ ignored, ...params }): AlgorithmSettings => ({
    ignored: ignoredScope(ignored),
    sampling: samplingOf(params),
  }),
  findRewriting({ view: { index } }, { ignored }) {
    const pairs = findAlignablePairs(index, ignored);
    if (pairs.length === 0) return undefined;
    return {
      statistics: alignmentStatistics(pairs),
      apply: (model, statistics, key) => ({
        model: alignChannels(model, index, pairs, statistics),
        description: `ActivationChannelAlignment ${key}`,
        saturationFixed: new Set(pairs.map(({ consumer }) => consumer.output[0]!)),
      }),
    };
  },
});

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

/**
 * Two convolutions, the second of which reads the first's output directly, so that the channels between them
 * can be aligned.
 */
export interface AlignablePair {
  readonly producer: NodeProto;
  readonly consumer: NodeProto;
}

/**
 * The pairs of convolutions between which channels can be shifted and scaled without changing what the model
 * computes: the second is a Conv of one group that neither pads, strides nor dilates, and the only reader of
 * another Conv. No MatMul makes a pair, as its channels lie on the last axis and those of a Conv on the second;
 * an Add between the two was folded into the first one's bias when the model was prepared.
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

/**
 * The statistics that alignment needs: low and high quantiles per channel of the output of each pair's first
 * convolution.
 */
export function alignmentStatistics(pairs: readonly AlignablePair[]): StatisticsRequirement {
  return new Map(pairs.map(({ producer }) => [producer.output[0]!, [LOW, HIGH]]));
}

/**
 * Centres the channels between the two convolutions of each pair and brings their ranges near the median range,
 * so that one scale suits all of them; the model computes the same.
 */
export function alignChannels(
  model: Model,
  index: GraphIndex,
  pairs: readonly AlignablePair[],
  statistics: StatisticsTable,
): Model {
  const values = new Map<string, Float32Array>();
  const constant = (name: string): Float32Array =>
    keptIn(values, name, () => Float32Array.from(floatValues(index.initializers.get(name)!)));
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
  return withConstants(model, values);
}

interface Alignment {
  readonly means: Float64Array;
  readonly factors: Float64Array;
}

/**
 * How each channel is aligned: the mean of its low and high quantiles, which is subtracted, and the factor that
 * the channel is divided by.
 *
 * @returns `undefined` where no channel varies, or one is not finite
 */
export function channelAlignment(low: Float64Array, high: Float64Array): Alignment | undefined {
  const spans = high.map((end, channel) => end - low[channel]!);
  if (!spans.every(Number.isFinite)) return undefined;
  const positive = spans.filter((span) => span > 0).sort();
  if (positive.length === 0) return undefined;
  const median = quantileOfSorted(positive, 0.5);
  return {
    means: high.map((end, channel) => (low[channel]! + end) / 2),
    factors: spans.map((span) =>
      span > 0 ? Math.min(LARGEST_FACTOR, Math.max(SMALLEST_FACTOR, span / median)) : 1,
    ),
  };
}

interface Producing {
  /** Weights of the first convolution, of shape [channels, ...]. */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
}

interface Consuming {
  /** Weights of the second convolution, of shape [outputs, channels, taps]. */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly taps: number;
}

/**
 * Changes the weights and biases of both convolutions in place: subtracts the channels' means, computed with
 * the unscaled weights, and then scales the channels.
 */
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
