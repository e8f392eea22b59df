import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intsAttribute } from "../../onnx/model/attributes.js";
import { intValues } from "../../onnx/model/tensor.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/**
 * The tensor axis along which activations can have one scale per channel (docs/reference/algorithms.md, "Shapes
 * and granularity").
 */
export const ACTIVATION_CHANNEL_AXIS = 1;

/**
 * Number of channels of an activation quantizer's tensors, if the quantizer can have one scale per channel.
 * That needs the same number of channels in all tensors, in the same order, and no matrix product among the
 * readers, whose axis 1 is not a channel axis. Tensors that decide the range must have equal shapes, so that
 * none is broadcast.
 *
 * @param made those of the tensors that an agnostic op (one that passes codes on, such as MaxPool) computes
 *   from another of them
 * @param readers the quantized ops that read one of the tensors
 * @returns `undefined` where all channels must share one scale
 */
export function activationChannels(
  tensors: readonly string[],
  made: ReadonlySet<string>,
  readers: readonly QuantizableOp[],
  view: OperandView,
): number | undefined {
  const [channels] = channelsAndShape(tensors[0]!, view) ?? [];
  if (channels === undefined) return undefined;
  if (readers.some(({ node }) => node.opType === "MatMul" || node.opType === "Gemm")) return undefined;
  const sources = tensors.filter((tensor) => !made.has(tensor));
  const shapes = new Set(sources.map((tensor) => channelsAndShape(tensor, view)?.[1]));
  if (shapes.size > 1) return undefined;
  const agrees = tensors.every((tensor) => {
    if (channelsAndShape(tensor, view)?.[0] !== channels) return false;
    return !made.has(tensor) || keepsChannels(view.index.producer(tensor)!, view);
  });
  return agrees ? channels : undefined;
}

function channelsAndShape(tensor: string, { tensors }: OperandView): [number, string] | undefined {
  const shape = tensors.get(tensor)?.shape;
  const channels = shape?.[ACTIVATION_CHANNEL_AXIS];
  return shape === undefined || typeof channels !== "number" ? undefined : [channels, shape.join("x")];
}

/**
 * Whether each channel of the output of an agnostic op (one that passes codes on) comes from the same channel
 * of its input.
 */
function keepsChannels(node: NodeProto, { index }: OperandView): boolean {
  switch (node.opType) {
    case "MaxPool":
    case "GlobalMaxPool":
    case "Identity":
      return true;
    case "ReduceMax":
    case "ReduceMin": {
      const axes = listed(node, 1, index) ?? intsAttribute(node, "axes") ?? [];
      // Negative axes, which count from the end, are conservatively taken as the channel axis.
      return axes.length > 0 && axes.every((axis) => axis > ACTIVATION_CHANNEL_AXIS);
    }
    case "Pad": {
      const pads = listed(node, 1, index);
      if (pads === undefined || (node.input[3] ?? "") !== "") return false;
      return pads[ACTIVATION_CHANNEL_AXIS] === 0 && pads[pads.length / 2 + ACTIVATION_CHANNEL_AXIS] === 0;
    }
    default:
      return false;
  }
}

function listed(node: NodeProto, input: number, { initializers }: GraphIndex): number[] | undefined {
  const tensor = initializers.get(node.input[input] ?? "");
  return tensor === undefined ? undefined : intValues(tensor);
}
