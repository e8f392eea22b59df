import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { intsAttribute } from "../../onnx/model/attributes.js";
import { intValues } from "../../onnx/model/tensor.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/** The axis that scales of activations lie along where there is one a channel (reference section 4.6, Shapes). */
export const ACTIVATION_CHANNEL_AXIS = 1;

/**
 * How many channels the tensors of one activation quantizer have, where one scale each can be had: as many in all of
 * them, in the same place, and not for the operands of matrix products, whose axis 1 is no channel of a convolution's.
 * Where several tensors decide the range, they must not be broadcast (reference section 4.7).
 *
 * @param made of the tensors, those that come from another of them
 * @param readers the quantized ops that read one of the tensors
 * @returns `undefined` where all must share one scale
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

/** Whether the channels of an agnostic op's output are those of its input, each from its own. */
function keepsChannels(node: NodeProto, { index }: OperandView): boolean {
  switch (node.opType) {
    case "MaxPool":
    case "GlobalMaxPool":
    case "Identity":
      return true;
    case "ReduceMax":
    case "ReduceMin": {
      const axes = listed(node, 1, index) ?? intsAttribute(node, "axes") ?? [];
      // Axes below zero are counted from the end: they are taken for others than the channels' nowhere here.
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
