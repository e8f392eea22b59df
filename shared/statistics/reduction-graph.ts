import { create } from "@bufbuild/protobuf";
import { type AttributeProto, type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { collectNames } from "../onnx/graph/graph-index.js";
import { makeIntAttribute } from "../onnx/model/attributes.js";
import type { Model } from "../onnx/model/codec.js";
import { DataType, makeTensor } from "../onnx/model/tensor.js";
import { type HistogramStatistic, type Statistic, statisticName } from "./requirement.js";
import type { StatisticsColumn } from "./table.js";

/** Before the names of all nodes and tensors that statistics add to a model, unless it has such names itself. */
export const STATISTICS_PREFIX = "quantfleet/statistics";

/** The prefix that statistics take in a model, which none of its own names begins with. */
export function statisticsPrefix({ graph }: Model): string {
  const names = [...collectNames(graph)].filter((name) => name.startsWith(STATISTICS_PREFIX));
  let prefix = STATISTICS_PREFIX;
  for (let again = 1; names.some((name) => name.startsWith(prefix)); again++) {
    prefix = `${STATISTICS_PREFIX}/${again}`;
  }
  return prefix;
}

/** A value of a statistic, between two values of the row. */
export interface Interpolation {
  readonly low: number;
  readonly high: number;
  /** How far from `low` to `high` it lies. */
  readonly fraction: number;
}

/** A histogram, and the output that has the values of one sample for it. */
export interface HistogramSource {
  readonly tensor: string;
  readonly statistic: HistogramStatistic;
  readonly output: string;
}

/** The nodes that reduce a model's tensors to one row of values, and what these values are. */
export class ReductionGraph {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly columns: StatisticsColumn[] = [];
  /** For each value of the columns, side by side. */
  readonly interpolations: Interpolation[] = [];
  readonly histograms: HistogramSource[] = [];
  /** The one output of an instrumented model: all reduced values of a sample, in a row. */
  readonly row: string;
  readonly #pieces: string[] = [];
  #width = 0;
  #names = 0;

  /** @param prefix of all names, as `statisticsPrefix` gives it for the model */
  constructor(private readonly prefix: string) {
    this.row = `${prefix}/row`;
  }

  /** A name that no other tensor of the graph has. */
  name(ending: string): string {
    return `${this.prefix}/${this.#names++}/${ending}`;
  }

  /** Adds a node; the name of its first output. */
  node(
    opType: string,
    input: string[],
    attribute: AttributeProto[] = [],
    outputs: readonly string[] = [opType],
  ): string {
    const output = outputs.map((ending) => this.name(ending));
    this.nodes.push(create(NodeProtoSchema, { opType, name: output[0]!, input, output, attribute }));
    return output[0]!;
  }

  integers(values: readonly number[]): string {
    const name = this.name("integers");
    const data = BigInt64Array.from(values, (value) => BigInt(value));
    this.initializers.push(makeTensor(name, DataType.INT64, [values.length], data));
    return name;
  }

  floats(dims: readonly number[], values: Float32Array): string {
    const name = this.name("floats");
    this.initializers.push(makeTensor(name, DataType.FLOAT, dims, values));
    return name;
  }

  /** Puts a flat tensor into the row; where its first value stands there. */
  piece(tensor: string, width: number): number {
    this.#pieces.push(tensor);
    this.#width += width;
    return this.#width - width;
  }

  /** Declares what values of the row stand for. */
  column(tensor: string, statistic: Statistic, values: readonly Interpolation[]): void {
    const width = values.length === 1 ? {} : { width: values.length };
    this.columns.push({ tensor, statistic: statisticName(statistic), ...width });
    this.interpolations.push(...values);
  }

  /** Declares histograms of a tensor, whose values leave the model as they are: no op of ONNX counts them. */
  addHistograms(tensor: string, statistics: readonly HistogramStatistic[]): void {
    if (statistics.length === 0) return;
    const output = this.node("Identity", [tensor]);
    for (const statistic of statistics) this.histograms.push({ tensor, statistic, output });
  }

  /** All nodes, with the row of all pieces at their end. */
  finish(): NodeProto[] {
    const row = create(NodeProtoSchema, {
      opType: "Concat",
      name: this.row,
      input: this.#pieces,
      output: [this.row],
      attribute: [makeIntAttribute("axis", 0)],
    });
    return [...this.nodes, row];
  }
}

/** A value of the row as it is. */
export function exactly(at: number): Interpolation {
  return { low: at, high: at, fraction: 0 };
}
