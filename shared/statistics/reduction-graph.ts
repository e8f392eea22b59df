import { create } from "@bufbuild/protobuf";
import { type AttributeProto, type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { collectNames } from "../onnx/graph/graph-index.js";
import { makeIntAttribute } from "../onnx/model/attributes.js";
import type { Model } from "../onnx/model/codec.js";
import { DataType, makeTensor } from "../onnx/model/tensor.js";
import { type HistogramStatistic, type Statistic, statisticName } from "./requirement.js";
import type { StatisticsColumn } from "./table.js";

/** Default prefix of the names of all nodes and tensors that statistics add to a model. */
export const STATISTICS_PREFIX = "quantfleet/statistics";

/** {@link STATISTICS_PREFIX}, with a number where needed, such that no name of the model begins with it. */
export function statisticsPrefix({ graph }: Model): string {
  const names = [...collectNames(graph)].filter((name) => name.startsWith(STATISTICS_PREFIX));
  let prefix = STATISTICS_PREFIX;
  for (let again = 1; names.some((name) => name.startsWith(prefix)); again++) {
    prefix = `${STATISTICS_PREFIX}/${again}`;
  }
  return prefix;
}

/**
 * A statistic's value as an interpolation between two elements of the row (the model output of all reduced
 * values).
 */
export interface Interpolation {
  /** Index in the row of the lower element. */
  readonly low: number;
  /** Index in the row of the upper element. */
  readonly high: number;
  /** Share of the way from the lower to the upper element. */
  readonly fraction: number;
}

/** A histogram to count, and the name of the model output with the tensor's values. */
export interface HistogramSource {
  readonly tensor: string;
  readonly statistic: HistogramStatistic;
  readonly output: string;
}

/**
 * Builds nodes that reduce a model's tensors to one row of values (its output of statistics), with a
 * description of these values.
 */
export class ReductionGraph {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly columns: StatisticsColumn[] = [];
  /** How each value of the columns (concatenated) follows from the row's elements. */
  readonly interpolations: Interpolation[] = [];
  readonly histograms: HistogramSource[] = [];
  /** Name of the model output with all reduced values of a batch, concatenated. */
  readonly row: string;
  readonly #pieces: string[] = [];
  #width = 0;
  #names = 0;

  /** @param prefix of the names of all added nodes and tensors, from {@link statisticsPrefix} */
  constructor(private readonly prefix: string) {
    this.row = `${prefix}/row`;
  }

  /** Returns a new unique name for an added tensor. */
  name(ending: string): string {
    return `${this.prefix}/${this.#names++}/${ending}`;
  }

  /** Adds a node and returns the name of its first output. */
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

  /**
   * Appends a 1-D tensor of `width` values to the row (the output of all reduced values) and returns the index
   * of its first value in it.
   */
  piece(tensor: string, width: number): number {
    this.#pieces.push(tensor);
    this.#width += width;
    return this.#width - width;
  }

  /** Declares a column of the statistics table and how its values follow from the row of reduced values. */
  column(tensor: string, statistic: Statistic, values: readonly Interpolation[]): void {
    const width = values.length === 1 ? {} : { width: values.length };
    this.columns.push({ tensor, statistic: statisticName(statistic), ...width });
    this.interpolations.push(...values);
  }

  /**
   * Declares histograms of a tensor and makes the tensor's values a model output, as ONNX has no op that counts
   * them.
   */
  addHistograms(tensor: string, statistics: readonly HistogramStatistic[]): void {
    if (statistics.length === 0) return;
    const output = this.node("Identity", [tensor]);
    for (const statistic of statistics) this.histograms.push({ tensor, statistic, output });
  }

  /** Returns all added nodes, the last of which concatenates the row of reduced values. */
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

/** An element of the row of reduced values, without interpolation. */
export function exactly(at: number): Interpolation {
  return { low: at, high: at, fraction: 0 };
}
