import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, dimensions, elementCount, floatValues, makeTensor } from "../../onnx/model/tensor.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { ownsConstants } from "./owned-constants.js";

/** Ops f that work channel by channel with f(s x) = s f(x) for s > 0. */
const HOMOGENEOUS: ReadonlySet<string> = new Set([
  "Relu",
  "LeakyRelu",
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
]);

const MOST_ROUNDS = 100;
/** Rounds end when no factor is further from 1. */
const SETTLED = 1e-3;

/** Two convolutions, of which the second alone reads what the first makes, with nothing but homogeneous ops between. */
export interface EqualizablePair {
  readonly producer: NodeProto;
  readonly consumer: NodeProto;
}

export function findEqualizablePairs(index: GraphIndex, ignored: IgnoredScope): EqualizablePair[] {
  const isOurs = (node: NodeProto): boolean =>
    node.opType === "Conv" && node.domain === "" && !isIgnored(node, ignored) && ownsConstants(node, index);
  return index.nodes.filter(isOurs).flatMap((producer) => {
    const consumer = reader(producer, index);
    return consumer !== undefined && isOurs(consumer) ? [{ producer, consumer }] : [];
  });
}

/** The first node behind homogeneous ones that reads a node's output; `undefined` where others read it too. */
function reader(node: NodeProto, index: GraphIndex): NodeProto | undefined {
  const output = node.output[0]!;
  const [only, ...others] = index.consumers(output);
  if (only === undefined || only.input !== 0 || others.length > 0 || index.isVisibleOutside(output)) {
    return undefined;
  }
  return HOMOGENEOUS.has(only.node.opType) ? reader(only.node, index) : only.node;
}

/**
 * Evens out the channels between convolutions (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
 * and Bias Correction", section 4.1): two of them compute the same when a channel is divided by s > 0 in the first and
 * multiplied by s in the second. With s = sqrt(r1 / r2) of the largest weights r1 and r2 of the channel, both become
 * equal; chains are gone through until they settle.
 *
 * The factors are then rounded to powers of two, so that the model computes the very same numbers.
 */
export function equalizeLayers(model: Model, index: GraphIndex, pairs: readonly EqualizablePair[]): Model {
  const values = new Map<string, Float32Array>();
  const scale = (name: string, channelOf: (at: number) => number, factor: (channel: number) => number) => {
    const before = values.get(name) ?? floatValues(index.initializers.get(name)!);
    values.set(
      name,
      before.map((value, at) => value * factor(channelOf(at))),
    );
  };
  const factors = equalizationFactors(pairs, index);
  pairs.forEach(({ producer, consumer }, i) => {
    const exact = factors[i]!;
    const [, made = "", bias = ""] = producer.input;
    scale(made, madeChannel(producer, index), (channel) => 1 / exact[channel]!);
    if (bias !== "")
      scale(
        bias,
        (at) => at,
        (channel) => 1 / exact[channel]!,
      );
    scale(consumer.input[1]!, readChannel(consumer, index), (channel) => exact[channel]!);
  });
  const initializer = model.graph.initializer.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined
      ? tensor
      : makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), changed);
  });
  return edited(model, { graph: edited(model.graph, { initializer }) });
}

/** For each pair a power of two a channel, that the first is divided by and the second multiplied by. */
export function equalizationFactors(pairs: readonly EqualizablePair[], index: GraphIndex): Float64Array[] {
  return settledFactors(pairs, index).map((exact) =>
    exact.map((factor) => 2 ** Math.round(Math.log2(factor))),
  );
}

/** The factors themselves. */
function settledFactors(pairs: readonly EqualizablePair[], index: GraphIndex): Float64Array[] {
  const weights = new Map<string, Float64Array>();
  for (const name of pairs.flatMap(({ producer, consumer }) => [producer.input[1]!, consumer.input[1]!])) {
    weights.set(name, Float64Array.from(floatValues(index.initializers.get(name)!)));
  }
  const sides = pairs.map(({ producer, consumer }) => ({
    made: { values: weights.get(producer.input[1]!)!, channelOf: madeChannel(producer, index) },
    read: { values: weights.get(consumer.input[1]!)!, channelOf: readChannel(consumer, index) },
    factors: new Float64Array(dimensions(index.initializers.get(producer.input[1]!)!)[0]!).fill(1),
  }));
  for (let round = 0, furthest = 1; round < MOST_ROUNDS && furthest > SETTLED; round++) {
    furthest = 0;
    for (const { made, read, factors } of sides) {
      const [first, second] = [largest(made, factors.length), largest(read, factors.length)];
      const steps = first.map((value, channel) =>
        value > 0 && second[channel]! > 0 ? Math.sqrt(value / second[channel]!) : 1,
      );
      made.values.forEach((value, at) => {
        made.values[at] = value / steps[made.channelOf(at)]!;
      });
      read.values.forEach((value, at) => {
        read.values[at] = value * steps[read.channelOf(at)]!;
      });
      steps.forEach((step, channel) => {
        factors[channel]! *= step;
        furthest = Math.max(furthest, Math.abs(step - 1));
      });
    }
  }
  return sides.map(({ factors }) => factors);
}

interface ChannelledWeights {
  readonly values: Float64Array;
  readonly channelOf: (at: number) => number;
}

function largest({ values, channelOf }: ChannelledWeights, channels: number): Float64Array {
  const found = new Float64Array(channels);
  values.forEach((value, at) => {
    const channel = channelOf(at);
    found[channel] = Math.max(found[channel]!, Math.abs(value));
  });
  return found;
}

/** The output channel of each of a Conv's weights [outputs, ...]. */
function madeChannel({ input }: NodeProto, index: GraphIndex): (at: number) => number {
  const each = elementCount(dimensions(index.initializers.get(input[1]!)!).slice(1));
  return (at) => Math.floor(at / each);
}

/** The input channel of each of a Conv's weights [outputs, channels / groups, ...taps]. */
function readChannel(node: NodeProto, index: GraphIndex): (at: number) => number {
  const [outputs = 1, own = 1, ...kernel] = dimensions(index.initializers.get(node.input[1]!)!);
  const taps = elementCount(kernel);
  const outputsInGroup = outputs / intAttribute(node, "group", 1);
  return (at) => {
    const group = Math.floor(at / (own * taps * outputsInGroup));
    return group * own + (Math.floor(at / taps) % own);
  };
}
