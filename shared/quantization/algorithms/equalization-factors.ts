import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import { dimensions, elementCount, floatValues } from "../../onnx/model/tensor.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { largestMagnitudes, ownsConstants } from "./rewritable-constants.js";

/** Homogeneous op types: ops f that treat each channel separately, with f(s x) = s f(x) for s > 0. */
const HOMOGENEOUS: ReadonlySet<string> = new Set([
  "Relu",
  "LeakyRelu",
  "MaxPool",
  "AveragePool",
  "GlobalAveragePool",
]);

const MOST_ROUNDS = 100;
/** The rounds of equalization have converged when no step (factor of a round) differs from 1 by more than this. */
const CONVERGED = 1e-3;

/**
 * Two convolutions, with only homogeneous ops (such as Relu) between them; the second is the only reader of the
 * first's output.
 */
export interface EqualizablePair {
  readonly producer: NodeProto;
  readonly consumer: NodeProto;
}

export function findEqualizablePairs(index: GraphIndex, ignored: IgnoredScope): EqualizablePair[] {
  const isEqualizable = (node: NodeProto): boolean =>
    node.opType === "Conv" && node.domain === "" && !isIgnored(node, ignored) && ownsConstants(node, index);
  return index.nodes.filter(isEqualizable).flatMap((producer) => {
    const consumer = reader(producer, index);
    return consumer !== undefined && isEqualizable(consumer) ? [{ producer, consumer }] : [];
  });
}

/**
 * The node that reads a node's output, beyond any homogeneous ops (such as Relu); `undefined` where there is
 * another reader on the way.
 */
function reader(node: NodeProto, index: GraphIndex): NodeProto | undefined {
  const output = node.output[0]!;
  const [only, ...others] = index.consumers(output);
  if (only === undefined || only.input !== 0 || others.length > 0 || index.isVisibleOutside(output)) {
    return undefined;
  }
  return HOMOGENEOUS.has(only.node.opType) ? reader(only.node, index) : only.node;
}

/**
 * For each pair, and per channel between its convolutions, the power of two that the first one's weights are divided by
 * and the second one's multiplied by.
 */
export function equalizationFactors(pairs: readonly EqualizablePair[], index: GraphIndex): Float64Array[] {
  return exactFactors(pairs, index).map((exact) => exact.map((factor) => 2 ** Math.round(Math.log2(factor))));
}

/**
 * The equalization factors before they are rounded to powers of two: along chains of convolutions pairs are
 * equalized in rounds until they converge.
 */
function exactFactors(pairs: readonly EqualizablePair[], index: GraphIndex): Float64Array[] {
  const weights = new Map<string, Float64Array>();
  for (const name of pairs.flatMap(({ producer, consumer }) => [producer.input[1]!, consumer.input[1]!])) {
    weights.set(name, Float64Array.from(floatValues(index.initializers.get(name)!)));
  }
  const sides = pairs.map(({ producer, consumer }) => ({
    made: { values: weights.get(producer.input[1]!)!, channelOf: outputChannelOf(producer, index) },
    read: { values: weights.get(consumer.input[1]!)!, channelOf: inputChannelOf(consumer, index) },
    factors: new Float64Array(dimensions(index.initializers.get(producer.input[1]!)!)[0]!).fill(1),
  }));
  for (let round = 0, furthest = 1; round < MOST_ROUNDS && furthest > CONVERGED; round++) {
    furthest = 0;
    for (const { made, read, factors } of sides) {
      const [first, second] = [made, read].map(({ values, channelOf }) =>
        largestMagnitudes(values, channelOf, new Float64Array(factors.length)),
      ) as [Float64Array, Float64Array];
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

/**
 * A function that gives the output channel of each of a Conv's weights [outputs, ...], by the weight's
 * position.
 */
export function outputChannelOf({ input }: NodeProto, index: GraphIndex): (at: number) => number {
  const each = elementCount(dimensions(index.initializers.get(input[1]!)!).slice(1));
  return (at) => Math.floor(at / each);
}

/**
 * A function that gives the input channel of each of a Conv's weights [outputs, channels / groups, ...taps], by
 * the weight's position.
 */
export function inputChannelOf(node: NodeProto, index: GraphIndex): (at: number) => number {
  const [outputs = 1, own = 1, ...kernel] = dimensions(index.initializers.get(node.input[1]!)!);
  const taps = elementCount(kernel);
  const outputsInGroup = outputs / intAttribute(node, "group", 1);
  return (at) => {
    const group = Math.floor(at / (own * taps * outputsInGroup));
    return group * own + (Math.floor(at / taps) % own);
  };
}
