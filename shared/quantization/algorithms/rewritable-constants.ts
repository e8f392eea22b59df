import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType, dimensions, floatValues, makeTensor } from "../../onnx/model/tensor.js";

/** Whether a constant is float32 and read by one node alone, so that it can be rewritten. */
export function isRewritable(name: string, index: GraphIndex): boolean {
  return (
    index.initializers.get(name)?.dataType === DataType.FLOAT &&
    index.consumers(name).length === 1 &&
    !index.isVisibleOutside(name)
  );
}

/** Whether a node's weights and bias are constants that can be rewritten. */
export function ownsConstants(node: NodeProto, index: GraphIndex): boolean {
  return node.input
    .slice(1)
    .filter((name) => name !== "")
    .every((name) => isRewritable(name, index));
}

/** The model with new values of some float constants, given by the constants' names. */
export function withConstants(model: Model, values: ReadonlyMap<string, Float32Array>): Model {
  const initializer = model.graph.initializer.map((tensor) => {
    const changed = values.get(tensor.name);
    return changed === undefined
      ? tensor
      : makeTensor(tensor.name, DataType.FLOAT, dimensions(tensor), changed);
  });
  return edited(model, { graph: edited(model.graph, { initializer }) });
}

/** A constant of a model, each of whose values belongs to one channel of a tensor. */
export interface ChannelledConstant {
  readonly name: string;
  /** The channel of a value, by its position in row-major order. */
  readonly channelOf: (at: number) => number;
}

/** Multiplies the values of a model's constants by factors per channel. */
export class ConstantScaling {
  readonly values = new Map<string, Float32Array>();

  constructor(private readonly index: GraphIndex) {}

  /** The constant's values with all scaling so far applied. */
  of(name: string): Float32Array {
    return this.values.get(name) ?? floatValues(this.index.initializers.get(name)!);
  }

  scale({ name, channelOf }: ChannelledConstant, factor: (channel: number) => number): void {
    this.values.set(
      name,
      this.of(name).map((value, at) => value * factor(channelOf(at))),
    );
  }
}

/**
 * The largest magnitude per channel of a constant's values, or the value of `found` where that is larger;
 * writes to and returns `found`.
 */
export function largestMagnitudes(
  values: Float32Array | Float64Array,
  channelOf: ChannelledConstant["channelOf"],
  found: Float64Array,
): Float64Array {
  values.forEach((value, at) => {
    const channel = channelOf(at);
    found[channel] = Math.max(found[channel]!, Math.abs(value));
  });
  return found;
}
