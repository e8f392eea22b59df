import { create } from "@bufbuild/protobuf";
import { type TensorProto, ValueInfoProtoSchema } from "onnx-buf";
import { type ConvolutionWindow, placeWindow } from "../onnx/graph/convolution-window.js";
import { makeIntAttribute, makeIntsAttribute } from "../onnx/model/attributes.js";
import type { Model } from "../onnx/model/codec.js";
import { edited } from "../onnx/model/edited.js";
import { elementCount } from "../onnx/model/tensor.js";
import { runSamples } from "../runtime/run-samples.js";
import { DEFAULT_SESSION, openSession } from "../runtime/session.js";
import { type CalibrationBatches, locateBatch, tensorShapes } from "./collect.js";
import { ReductionGraph, statisticsPrefix } from "./reduction-graph.js";
import { StatisticsTable } from "./table.js";

/**
 * The inputs of a product (Conv, MatMul, Gemm) with constant weights, whose second moments are collected: at
 * each position, one vector of terms (the values that one output sums up) per convolution group.
 */
export interface MomentSource {
  /** Name of the product in the table of moments. */
  readonly key: string;
  readonly tensor: string;
  /** The tensor's axis along which the terms lie, where there is no window. */
  readonly axis: number;
  readonly window?: ConvolutionWindow;
  readonly groups: number;
  readonly terms: number;
}

/** E[x] and E[x xᵀ] of a product's input vectors x, over all positions and samples. */
export interface SecondMoments {
  /** E[x], of shape [groups, terms]. */
  readonly means: Float32Array;
  /**
   * E[x xᵀ]: for each block of terms ({@link momentBlocks}) a tensor [groups, size, size]; moments between
   * blocks are left out.
   */
  readonly matrices: readonly Float32Array[];
}

/** A contiguous range of a product's input terms whose E[x xᵀ] is kept as one dense matrix. */
export interface MomentBlock {
  readonly start: number;
  readonly size: number;
}

/** Largest number of terms in a block: the matrix grows with the square of the terms. */
const LARGEST_BLOCK = 1024;

/**
 * Splits a product's terms (the inputs that one output sums up) into the smallest number of blocks, of about
 * the same size.
 */
export function momentBlocks(terms: number, largest = LARGEST_BLOCK): MomentBlock[] {
  const count = Math.ceil(terms / largest);
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * terms) / count);
    return { start, size: Math.floor(((i + 1) * terms) / count) - start };
  });
}

const MEANS = "term_means";
const momentsColumn = (block: number): string => `second_moments.${block}`;

/**
 * Collects the second moments of products' inputs in one pass over the samples. The products x xᵀ are computed
 * inside ONNX Runtime and summed here in double precision, so that memory does not grow with the number of
 * samples.
 *
 * @returns a table of one row: means over all samples
 */
export async function collectSecondMoments(
  model: Model,
  sources: readonly MomentSource[],
  batches: CalibrationBatches,
  signal?: AbortSignal,
): Promise<StatisticsTable> {
  const tensors = [...new Set(sources.map(({ tensor }) => tensor))];
  const shapes = await tensorShapes(model, tensors, await batches.batch(0), () => locateBatch(batches, 0));
  const { instrumented, outputs } = instrument(model, sources, shapes);
  const sums = outputs.map(({ width }) => new Float64Array(width));
  const session = await openSession(instrumented, DEFAULT_SESSION);
  try {
    for (let i = 0; i < batches.count; i++) {
      signal?.throwIfAborted();
      const values = await runSamples(session, await batches.batch(i), () => locateBatch(batches, i));
      outputs.forEach(({ name }, o) => {
        const sum = sums[o]!;
        const added = values[name]!.data as Float32Array;
        for (let at = 0; at < sum.length; at++) sum[at]! += added[at]!;
      });
    }
  } finally {
    await session.release();
  }
  const row = new Float32Array(outputs.reduce((width, output) => width + output.width, 0));
  let start = 0;
  for (const sum of sums) {
    row.set(
      sum.map((value) => value / batches.count),
      start,
    );
    start += sum.length;
  }
  return StatisticsTable.ofRows(
    outputs.map(({ key, statistic, width }) => ({ tensor: key, statistic, width })),
    [row],
  );
}

/** The second moments of one product's inputs, from a table of {@link collectSecondMoments}. */
export function secondMoments(table: StatisticsTable, { key, terms }: MomentSource): SecondMoments {
  return {
    means: table.column(key, MEANS),
    matrices: momentBlocks(terms).map((_, block) => table.column(key, momentsColumn(block))),
  };
}

interface MomentOutput {
  readonly name: string;
  readonly key: string;
  readonly statistic: string;
  readonly width: number;
}

function instrument(
  model: Model,
  sources: readonly MomentSource[],
  shapes: ReadonlyMap<string, readonly number[]>,
): { readonly instrumented: Model; readonly outputs: readonly MomentOutput[] } {
  const graph = new ReductionGraph(statisticsPrefix(model));
  const outputs: MomentOutput[] = [];
  for (const source of sources) {
    const { key, groups, terms } = source;
    const { vectors, positions } = readVectors(graph, source, shapes.get(source.tensor)!);
    const emit = (tensor: string, statistic: string, width: number): void => {
      const name = graph.node("Reshape", [tensor, graph.integers([width])]);
      outputs.push({ name, key, statistic, width });
    };
    const average = graph.floats([1, positions, 1], new Float32Array(positions).fill(1 / positions));
    emit(graph.node("MatMul", [vectors, average]), MEANS, groups * terms);
    const share = graph.floats([], Float32Array.of(1 / positions));
    momentBlocks(terms).forEach(({ start, size }, block) => {
      const bounds = [start, start + size, 1].map((bound) => graph.integers([bound]));
      const part = graph.node("Slice", [vectors, ...bounds]);
      const turned = graph.node("Transpose", [part], [makeIntsAttribute("perm", [0, 2, 1])]);
      const product = graph.node("MatMul", [graph.node("Mul", [part, share]), turned]);
      emit(product, momentsColumn(block), groups * size * size);
    });
  }
  const initializer: TensorProto[] = [...model.graph.initializer, ...graph.initializers];
  return {
    instrumented: edited(model, {
      graph: edited(model.graph, {
        node: [...model.graph.node, ...graph.nodes],
        initializer,
        output: outputs.map(({ name }) => create(ValueInfoProtoSchema, { name })),
      }),
    }),
    outputs,
  };
}

/**
 * Adds nodes that bring a product's inputs to [groups, terms, positions], the positions of all samples of a
 * batch concatenated.
 */
function readVectors(
  graph: ReductionGraph,
  { tensor, axis, window, groups, terms }: MomentSource,
  shape: readonly number[],
): { readonly vectors: string; readonly positions: number } {
  const read = window === undefined ? { tensor, axis, shape } : unfold(graph, tensor, window, shape);
  const others = read.shape.map((_, i) => i).filter((i) => i !== read.axis);
  const first = graph.node("Transpose", [read.tensor], [makeIntsAttribute("perm", [read.axis, ...others])]);
  return {
    vectors: graph.node("Reshape", [first, graph.integers([groups, terms, -1])]),
    positions: elementCount(read.shape) / (groups * terms),
  };
}

/**
 * Adds a node that turns every kernel tap of a convolution's input into a channel (im2col): a depthwise
 * convolution with kernels that are 1 at one tap.
 */
function unfold(
  graph: ReductionGraph,
  tensor: string,
  window: ConvolutionWindow,
  [batch = 1, channels = 1, ...spatial]: readonly number[],
): { readonly tensor: string; readonly axis: number; readonly shape: readonly number[] } {
  const { kernel, strides, dilations } = window;
  const { positions, pads } = placeWindow(window, spatial);
  const taps = elementCount(kernel);
  const picking = new Float32Array(channels * taps * taps);
  for (let i = 0; i < channels * taps; i++) picking[i * taps + (i % taps)] = 1;
  const picked = graph.node(
    "Conv",
    [tensor, graph.floats([channels * taps, 1, ...kernel], picking)],
    [
      makeIntAttribute("group", channels),
      makeIntsAttribute("strides", strides),
      makeIntsAttribute("dilations", dilations),
      makeIntsAttribute("pads", pads),
    ],
  );
  return { tensor: picked, axis: 1, shape: [batch, channels * taps, ...positions] };
}
