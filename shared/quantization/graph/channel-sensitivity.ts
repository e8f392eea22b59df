import type { NodeProto } from "onnx-buf";
import { intAttribute } from "../../onnx/model/attributes.js";
import { dimensions, floatValues } from "../../onnx/model/tensor.js";
import type { ChannelWeights } from "../../statistics/requirement.js";
import type { OperandView } from "./quantizable-ops.js";

/** Ops whose output channels each depend on the same channel of their input only. */
const CHANNELWISE_TYPES: ReadonlySet<string> = new Set([
  "Add",
  "AveragePool",
  "Clip",
  "Elu",
  "GlobalAveragePool",
  "HardSigmoid",
  "HardSwish",
  "LeakyRelu",
  "MaxPool",
  "Mul",
  "PRelu",
  "Relu",
  "Sigmoid",
  "Sub",
  "Tanh",
]);

/**
 * The whole-number weight that the most sensitive channel gets; sums of up to 2^33 such weights are exact in
 * double precision.
 */
const LARGEST_WEIGHT = 2 ** 20;

interface Sensitivity {
  readonly axis: ChannelWeights["axis"];
  readonly channels: Float64Array;
}

/**
 * Sensitivity of the following products to errors in each channel of a tensor: the sum of the squared weights
 * that multiply the channel, scaled to whole numbers. With independent channel errors e_c, a product's mean
 * squared error is the sum over c of w_c^2 e_c^2, so squared errors with these weights are those of the
 * products' outputs. Only the products with the fewest element-wise ops and poolings between tensor and
 * product are considered.
 * @returns `undefined` where no product follows through ops that keep channels apart
 */
export function channelSensitivity(tensor: string, view: OperandView): ChannelWeights | undefined {
  const seen = new Set([tensor]);
  for (let tensors = [tensor]; tensors.length > 0; ) {
    const readers = tensors.flatMap((name) => view.index.consumers(name));
    const found = readers.flatMap(({ node, input }) => (input === 0 ? (ofProduct(node, view) ?? []) : []));
    if (found.length > 0) return scaled(found);
    tensors = readers
      .filter(({ node }) => CHANNELWISE_TYPES.has(node.opType))
      .map(({ node }) => node.output[0]!)
      .filter((output) => !seen.has(output));
    for (const output of tensors) seen.add(output);
  }
  return undefined;
}

function ofProduct(node: NodeProto, { index }: OperandView): Sensitivity | undefined {
  const weight = index.initializers.get(node.input[1] ?? "");
  if (weight === undefined) return undefined;
  const dims = dimensions(weight);
  switch (node.opType) {
    case "Conv":
      return { axis: 1, channels: ofConvolution(floatValues(weight), dims, intAttribute(node, "group", 1)) };
    case "Gemm": {
      if (intAttribute(node, "transA", 0) === 1) return undefined;
      return { axis: -1, channels: ofMatrix(floatValues(weight), dims, intAttribute(node, "transB", 0)) };
    }
    case "MatMul":
      return dims.length === 2 ? { axis: -1, channels: ofMatrix(floatValues(weight), dims, 0) } : undefined;
    default:
      return undefined;
  }
}

/**
 * Sums of squared weights per input channel of a convolution.
 * @param dims [output channels, input channels per group, ...kernel]
 */
function ofConvolution(values: Float32Array, dims: readonly number[], groups: number): Float64Array {
  const [outputs, inputs] = [dims[0]!, dims[1]!];
  const taps = values.length / (outputs * inputs);
  const channels = new Float64Array(inputs * groups);
  values.forEach((value, i) => {
    const group = Math.floor(i / (taps * inputs) / (outputs / groups));
    channels[group * inputs + (Math.floor(i / taps) % inputs)]! += value ** 2;
  });
  return channels;
}

/**
 * Sums of squared weights per input channel of a matrix product.
 * @param channelAxis the axis of `dims`, 0 or 1, that belongs to the input's channels
 */
function ofMatrix(values: Float32Array, dims: readonly number[], channelAxis: number): Float64Array {
  const columns = dims[1]!;
  const channels = new Float64Array(dims[channelAxis]!);
  values.forEach((value, i) => {
    channels[channelAxis === 0 ? Math.floor(i / columns) : i % columns]! += value ** 2;
  });
  return channels;
}

/**
 * The summed sensitivities of several products as whole numbers; `undefined` if their channels do not
 * correspond.
 */
function scaled(found: readonly Sensitivity[]): ChannelWeights | undefined {
  const { axis, channels } = found[0]!;
  if (found.some((other) => other.axis !== axis || other.channels.length !== channels.length))
    return undefined;
  const sums = channels.map((_, c) => found.reduce((sum, other) => sum + other.channels[c]!, 0));
  const largest = sums.reduce((a, b) => Math.max(a, b), 0);
  if (largest === 0) return undefined;
  return { axis, weights: Array.from(sums, (sum) => Math.round((sum / largest) * LARGEST_WEIGHT)) };
}
