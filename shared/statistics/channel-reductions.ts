import type { AttributeProto } from "onnx-buf";
import { type ConvolutionWindow, placeWindow } from "../onnx/graph/convolution-window.js";
import { makeIntAttribute, makeIntsAttribute } from "../onnx/model/attributes.js";
import { elementCount } from "../onnx/model/tensor.js";
import { exactly, type ReductionGraph } from "./reduction-graph.js";
import type { ChannelStatistic } from "./requirement.js";
import { addTail } from "./tail.js";

/** From this operator set on, ReduceMean, ReduceMin and ReduceMax take their axes as an input. */
const AXES_AS_INPUT_OPSET = 18;

/**
 * Adds nodes to the model that compute a tensor's statistics per channel.
 *
 * @param shape of the tensor for one batch
 */
export function addChannelReductions(
  graph: ReductionGraph,
  opset: number,
  tensor: string,
  shape: readonly number[],
  statistics: readonly ChannelStatistic[],
): void {
  for (const statistic of statistics) {
    if (statistic.type === "tap_mean") {
      addTapMeans(graph, opset, tensor, shape, statistic);
      continue;
    }
    const { axis } = statistic;
    const channels = shape[axis]!;
    const rows = byChannel(graph, tensor, shape, axis);
    switch (statistic.type) {
      case "channel_mean":
        emit(graph, tensor, statistic, reduce("ReduceMean", graph, opset, rows, 1, false), channels);
        break;
      case "channel_min":
        emit(graph, tensor, statistic, reduce("ReduceMin", graph, opset, rows, 1, false), channels);
        break;
      case "channel_max":
        emit(graph, tensor, statistic, reduce("ReduceMax", graph, opset, rows, 1, false), channels);
        break;
      case "channel_variance": {
        const deviations = graph.node("Sub", [rows, reduce("ReduceMean", graph, opset, rows, 1, true)]);
        const squares = graph.node("Mul", [deviations, deviations]);
        emit(graph, tensor, statistic, reduce("ReduceMean", graph, opset, squares, 1, false), channels);
        break;
      }
      case "channel_quantile": {
        const { side, outlierProb } = statistic;
        const size = elementCount(shape) / channels;
        addTail(graph, tensor, { values: rows, channels, size, side }, [{ statistic, outlierProb }]);
        break;
      }
      case "channel_abs_quantile": {
        const { outlierProb } = statistic;
        const size = elementCount(shape) / channels;
        const magnitudes = graph.node("Abs", [rows]);
        addTail(graph, tensor, { values: magnitudes, channels, size, side: "max" }, [
          { statistic, outlierProb },
        ]);
        break;
      }
    }
  }
}

/** Adds nodes that reshape the tensor to [channels, product of the other axes]; returns the result's name. */
function byChannel(graph: ReductionGraph, tensor: string, shape: readonly number[], axis: number): string {
  const others = shape.map((_, i) => i).filter((i) => i !== axis);
  const first = graph.node("Transpose", [tensor], [makeIntsAttribute("perm", [axis, ...others])]);
  return graph.node("Reshape", [first, graph.integers([shape[axis]!, -1])]);
}

function reduce(
  opType: "ReduceMean" | "ReduceMin" | "ReduceMax",
  graph: ReductionGraph,
  opset: number,
  tensor: string,
  axis: number,
  keepDimension: boolean,
): string {
  const attributes: AttributeProto[] = [makeIntAttribute("keepdims", keepDimension ? 1 : 0)];
  return opset >= AXES_AS_INPUT_OPSET
    ? graph.node(opType, [tensor, graph.integers([axis])], attributes)
    : graph.node(opType, [tensor], [makeIntsAttribute("axes", [axis]), ...attributes]);
}

function emit(
  graph: ReductionGraph,
  tensor: string,
  statistic: ChannelStatistic,
  flat: string,
  width: number,
): void {
  const at = graph.piece(flat, width);
  graph.column(
    tensor,
    statistic,
    Array.from({ length: width }, (_, i) => exactly(at + i)),
  );
}

/**
 * Adds nodes for the mean input of each kernel tap over all output positions of a convolution, computed as a
 * convolution in which kernel and output exchange roles: with y[p] = sum over t of w[t] x[p s + t d], the sum
 * of x[p s + t d] over all positions p is a convolution of x with a kernel of ones in the shape of the output,
 * with dilation s and stride d. Padding is counted as zeros, which a mean per channel would miss.
 */
function addTapMeans(
  graph: ReductionGraph,
  opset: number,
  tensor: string,
  [batch, channels, ...spatial]: readonly number[],
  statistic: { readonly type: "tap_mean"; readonly window: ConvolutionWindow },
): void {
  const { kernel, strides, dilations } = statistic.window;
  const { positions, pads } = placeWindow(statistic.window, spatial);
  const count = elementCount(positions);
  const separate = graph.node("Reshape", [tensor, graph.integers([batch! * channels!, 1, ...spatial])]);
  const mean = graph.floats([1, 1, ...positions], new Float32Array(count).fill(1 / count));
  const taps = graph.node(
    "Conv",
    [separate, mean],
    [
      makeIntsAttribute("strides", dilations),
      makeIntsAttribute("dilations", strides),
      makeIntsAttribute("pads", pads),
    ],
  );
  // Input rows that no tap reads (the remainder of a stride) give extra values after each axis' taps.
  const reached = spatial.map((size, axis) => {
    const padded = size + pads[axis]! + pads[axis + spatial.length]!;
    return Math.floor((padded - (positions[axis]! - 1) * strides[axis]! - 1) / dilations[axis]!) + 1;
  });
  const each = elementCount(reached);
  const samples = graph.node("Reshape", [taps, graph.integers([batch!, channels! * each])]);
  const at = graph.piece(reduce("ReduceMean", graph, opset, samples, 0, false), channels! * each);
  const wanted = tapOffsets(kernel, reached);
  graph.column(
    tensor,
    statistic,
    Array.from({ length: channels! }, (_, channel) =>
      wanted.map((offset) => exactly(at + channel * each + offset)),
    ).flat(),
  );
}

/** Row-major offsets, in an array of shape `extents`, of the elements that lie within the kernel's shape. */
function tapOffsets(kernel: readonly number[], extents: readonly number[]): number[] {
  return kernel.reduce<number[]>(
    (offsets, size, axis) =>
      offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset * extents[axis]! + i)),
    [0],
  );
}
