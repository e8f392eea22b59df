import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import { dimensions, elementCount, floatValues } from "../../onnx/model/tensor.js";
import {
  type ChannelStatistic,
  type StatisticsRequirement,
  statisticName,
} from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { largestNarrowCode } from "../arithmetic/affine.js";
import { widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { QuantizationPlan, TensorPlan } from "../space/plan.js";
import { type EqualizablePair, equalizationFactors } from "./equalization-factors.js";

const LOWEST: ChannelStatistic = { type: "channel_min", axis: 1 };
const HIGHEST: ChannelStatistic = { type: "channel_max", axis: 1 };
const MEAN: ChannelStatistic = { type: "channel_mean", axis: 1 };
const VARIANCE: ChannelStatistic = { type: "channel_variance", axis: 1 };

/**
 * The statistics that judging equalization needs: range, mean and variance per channel of the tensors between
 * the convolutions of each pair.
 */
export function equalizationStatistics(pairs: readonly EqualizablePair[]): StatisticsRequirement {
  return new Map(pairs.map(({ consumer }) => [consumer.input[0]!, [LOWEST, HIGHEST, MEAN, VARIANCE]]));
}

/**
 * The pairs of convolutions by whose equalization quantization gains, when all of them are equalized: those
 * where rounding the tensor between the convolutions and the second one's weights adds less noise to the second
 * one's outputs. Even weights gain nothing by themselves where each output channel has a scale of its own, and
 * equalizing them may make an even tensor uneven.
 *
 * The factors of a chain of convolutions depend on each other, so that all pairs that lose are left out
 * together and the others are judged again.
 */
export function gainingPairs(
  pairs: readonly EqualizablePair[],
  index: GraphIndex,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  statistics: StatisticsTable,
): EqualizablePair[] {
  const factors = equalizationFactors(pairs, index);
  const gaining = pairs.filter(({ producer, consumer }, i) => {
    // With one scale per tensor the first convolution's weights gain as well, which `noise` does not include.
    if (plan.weights.get(producer.input[1]!)?.granularity === "pertensor") return true;
    const channels = channelsOf(consumer.input[0]!, statistics);
    const roundings: Roundings = {
      activation: plan.activations.get(layout.quantizerOf.get(consumer.input[0]!) ?? ""),
      weights: plan.weights.get(consumer.input[1]!),
    };
    const ones = new Float64Array(channels.low.length).fill(1);
    const weights = consumerWeights(consumer, index);
    return noise(weights, channels, factors[i]!, roundings) < noise(weights, channels, ones, roundings);
  });
  return gaining.length === pairs.length ? gaining : gainingPairs(gaining, index, layout, plan, statistics);
}

/** Statistics per channel of a tensor [batch, channels, ...], over all samples. */
interface Channels {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly meanSquare: Float64Array;
}

function channelsOf(tensor: string, statistics: StatisticsTable): Channels {
  const means = statistics.column(tensor, statisticName(MEAN));
  const meanSquare = statistics.channels(tensor, VARIANCE, "mean");
  for (let sample = 0; sample < statistics.samples; sample++) {
    for (let channel = 0; channel < meanSquare.length; channel++) {
      meanSquare[channel]! += means[sample * meanSquare.length + channel]! ** 2 / statistics.samples;
    }
  }
  return {
    low: statistics.channels(tensor, LOWEST, "min"),
    high: statistics.channels(tensor, HIGHEST, "max"),
    meanSquare,
  };
}

/**
 * How the tensor between two convolutions and the second one's weights are quantized; `undefined` where they
 * stay in float.
 */
interface Roundings {
  readonly activation: TensorPlan | undefined;
  readonly weights: TensorPlan | undefined;
}

interface ConsumerWeights {
  /** Weights of the second convolution, of shape [outputs, channels of a group, taps]. */
  readonly values: Float32Array;
  readonly outputs: number;
  readonly groups: number;
  readonly taps: number;
}

function consumerWeights(node: NodeProto, index: GraphIndex): ConsumerWeights {
  const tensor = index.initializers.get(node.input[1]!)!;
  const [outputs = 1, , ...kernel] = dimensions(tensor);
  const groups = intAttribute(node, "group", 1);
  return { values: floatValues(tensor), outputs, groups, taps: elementCount(kernel) };
}

/**
 * The expected relative output noise, summed over the output channels, where rounding errors are independent and
 * uniform within a step: E[(w e)²] of the tensor's errors e plus E[(f x)²] of the weights' errors f, divided by
 * E[(w x)²] as if the tensor's channels were independent. Relative noise counts, as the ops that follow may depend on a
 * channel of small values as much as on one of large values.
 * @param factors per channel: the tensor's values are divided by them and the weights that read them multiplied
 */
function noise(
  { values, outputs, groups, taps }: ConsumerWeights,
  { low, high, meanSquare }: Channels,
  factors: Float64Array,
  { activation, weights }: Roundings,
): number {
  const own = values.length / outputs / taps;
  const tensorStep = activation === undefined ? 0 : stepOf(low, high, factors, activation);
  const code = weights === undefined ? Number.POSITIVE_INFINITY : largestNarrowCode(widthOf(weights));
  let sum = 0;
  for (let output = 0; output < outputs; output++) {
    const first = Math.floor((output * groups) / outputs) * own;
    let [squares, largest, inputs, made] = [0, 0, 0, 0];
    for (let i = 0; i < own; i++) {
      const factor = factors[first + i]!;
      const energy = meanSquare[first + i]! / factor ** 2;
      inputs += taps * energy;
      for (let tap = 0; tap < taps; tap++) {
        const weight = Math.abs(values[(output * own + i) * taps + tap]! * factor);
        squares += weight ** 2;
        made += weight ** 2 * energy;
        largest = Math.max(largest, weight);
      }
    }
    if (made > 0) sum += (squares * tensorStep ** 2 + inputs * (largest / code) ** 2) / made;
  }
  return sum;
}

/** The scale of a tensor whose range covers all its channels, each divided by its factor. */
function stepOf(low: Float64Array, high: Float64Array, factors: Float64Array, plan: TensorPlan): number {
  const lowest = low.reduce((least, value, c) => Math.min(least, value / factors[c]!), 0);
  const highest = high.reduce((most, value, c) => Math.max(most, value / factors[c]!), 0);
  const range = plan.mode === "symmetric" && lowest < 0 ? 2 * Math.max(highest, -lowest) : highest - lowest;
  return range / (levelsOf(widthOf(plan)) - 1);
}
