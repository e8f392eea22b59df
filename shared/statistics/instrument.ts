import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto, ValueInfoProtoSchema } from "onnx-buf";
import { type Model, opsetVersion } from "../onnx/model/codec.js";
import { edited } from "../onnx/model/edited.js";
import { elementCount } from "../onnx/model/tensor.js";
import { addChannelReductions } from "./channel-reductions.js";
import {
  exactly,
  type HistogramSource,
  type Interpolation,
  ReductionGraph,
  statisticsPrefix,
} from "./reduction-graph.js";
import {
  isChannelStatistic,
  isHistogram,
  type Statistic,
  type StatisticsRequirement,
} from "./requirement.js";
import type { StatisticsColumn } from "./table.js";
import { addTail } from "./tail.js";

/**
 * A model that outputs reduced values (statistics of its tensors), with a description of how a sample's
 * statistics follow from them: a quantile is interpolated between two neighbours in sorted order, outside the
 * model and in double precision.
 */
export interface InstrumentedModel {
  readonly model: Model;
  /** Name of the model output that holds all reduced values of a batch. */
  readonly row: string;
  readonly columns: readonly StatisticsColumn[];
  /** How each value of the statistics table's columns (concatenated) follows from the reduced values. */
  readonly interpolations: readonly Interpolation[];
  readonly histograms: readonly HistogramSource[];
}

/** Returns a model whose outputs are the shapes of the given tensors, in the same order. */
export function shapeProbe(model: Model, tensors: readonly string[]): { model: Model; outputs: string[] } {
  const prefix = statisticsPrefix(model);
  const outputs = tensors.map((_, i) => `${prefix}/shape/${i}`);
  const nodes = tensors.map((tensor, i) => {
    const output = outputs[i]!;
    return create(NodeProtoSchema, { opType: "Shape", name: output, input: [tensor], output: [output] });
  });
  return { model: withOutputs(model, nodes, [], outputs), outputs };
}

/**
 * Adds nodes to the model that reduce tensors to statistics, so that only reduced values are copied out of ONNX
 * Runtime: ReduceMin, ReduceMax, TopK for quantiles (only the values next to each quantile are kept) and
 * reductions per channel. Tensors that need histograms are output as a whole.
 *
 * @param shapes of each tensor for one batch
 */
export function instrument(
  model: Model,
  requirement: StatisticsRequirement,
  shapes: ReadonlyMap<string, readonly number[]>,
): InstrumentedModel {
  const graph = new ReductionGraph(statisticsPrefix(model));
  const opset = opsetVersion(model);
  for (const [tensor, statistics] of requirement) {
    const shape = shapes.get(tensor)!;
    addTensorReductions(
      graph,
      tensor,
      elementCount(shape),
      statistics.filter((s) => !isChannelStatistic(s) && !isHistogram(s)),
    );
    addChannelReductions(graph, opset, tensor, shape, statistics.filter(isChannelStatistic));
    graph.addHistograms(tensor, statistics.filter(isHistogram));
  }
  const counted = new Set(graph.histograms.map(({ output }) => output));
  return {
    model: withOutputs(model, graph.finish(), graph.initializers, [graph.row, ...counted]),
    row: graph.row,
    columns: graph.columns,
    interpolations: graph.interpolations,
    histograms: graph.histograms,
  };
}

function withOutputs(
  model: Model,
  nodes: NodeProto[],
  initializers: TensorProto[],
  outputs: string[],
): Model {
  const { graph } = model;
  return edited(model, {
    graph: edited(graph, {
      node: [...graph.node, ...nodes],
      initializer: [...graph.initializer, ...initializers],
      output: outputs.map((name) => create(ValueInfoProtoSchema, { name })),
    }),
  });
}

/** Adds nodes that reduce a whole tensor to one value per statistic. */
function addTensorReductions(
  graph: ReductionGraph,
  tensor: string,
  size: number,
  statistics: readonly Statistic[],
): void {
  if (statistics.length === 0) return;
  const flat = graph.node("Reshape", [tensor, graph.integers([1, -1])]);
  const one = graph.integers([1]);
  for (const statistic of statistics) {
    if (statistic.type !== "min" && statistic.type !== "max") continue;
    const reduced = graph.node(statistic.type === "min" ? "ReduceMin" : "ReduceMax", [flat]);
    graph.column(tensor, statistic, [exactly(graph.piece(graph.node("Reshape", [reduced, one]), 1))]);
  }
  const tail = (type: "quantile" | "abs_quantile", side: "min" | "max", values: string): void => {
    const wanted = statistics.flatMap((statistic) =>
      statistic.type === type && (statistic.type !== "quantile" || statistic.side === side)
        ? [{ statistic, outlierProb: statistic.outlierProb }]
        : [],
    );
    addTail(graph, tensor, { values, channels: 1, size, side }, wanted);
  };
  tail("quantile", "min", flat);
  tail("quantile", "max", flat);
  if (statistics.some(({ type }) => type === "abs_quantile")) {
    tail("abs_quantile", "max", graph.node("Abs", [flat]));
  }
}
