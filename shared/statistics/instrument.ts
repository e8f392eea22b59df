import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto, ValueInfoProtoSchema } from "onnx-buf";
import { makeIntAttribute } from "../onnx/attributes.js";
import type { Model } from "../onnx/codec.js";
import { edited } from "../onnx/edited.js";
import { DataType, makeTensor } from "../onnx/tensor.js";
import { quantilePosition } from "./quantile.js";
import { type Statistic, type StatisticsRequirement, statisticName } from "./requirement.js";

const PREFIX = "quantfleet/statistics";

/** The one output of an instrumented model: all reduced values of a sample, in a row. */
export const STATISTICS_OUTPUT = `${PREFIX}/row`;

/**
 * What the reduced values are and how a sample's statistics follow from them: a quantile needs its two neighbours in
 * the order of values, which are interpolated outside the model in double precision.
 */
export interface InstrumentedModel {
  readonly model: Model;
  readonly columns: readonly { readonly tensor: string; readonly statistic: string }[];
  /** For each column: where its lower and upper neighbour stand in the output, and how far between them it lies. */
  readonly interpolations: readonly {
    readonly low: number;
    readonly high: number;
    readonly fraction: number;
  }[];
}

/** A model whose outputs are the shapes of the tensors, in their order. */
export function shapeProbe(model: Model, tensors: readonly string[]): { model: Model; outputs: string[] } {
  const outputs = tensors.map((_, i) => `${PREFIX}/shape/${i}`);
  const nodes = tensors.map((tensor, i) => makeNode("Shape", [tensor], outputs[i]!));
  return { model: withOutputs(model, nodes, [], outputs), outputs };
}

/**
 * Adds the reductions to the model as nodes, so that only reduced values leave ONNX Runtime: ReduceMin and ReduceMax,
 * and TopK for the tails, of which only the values next to each quantile are kept (system.md, "A run", step 2).
 *
 * @param sizes elements a sample of each tensor
 */
export function instrument(
  model: Model,
  requirement: StatisticsRequirement,
  sizes: ReadonlyMap<string, number>,
): InstrumentedModel {
  const builder = new Builder();
  for (const [tensor, statistics] of requirement) builder.add(tensor, sizes.get(tensor)!, statistics);
  return {
    model: withOutputs(model, builder.finish(), builder.initializers, [STATISTICS_OUTPUT]),
    columns: builder.columns,
    interpolations: builder.interpolations,
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

function makeNode(
  opType: string,
  input: string[],
  output: string,
  attribute: NodeProto["attribute"] = [],
): NodeProto {
  return create(NodeProtoSchema, { opType, name: output, input, output: [output], attribute });
}

class Builder {
  readonly initializers: TensorProto[] = [
    makeTensor(`${PREFIX}/flat`, DataType.INT64, [1], BigInt64Array.of(-1n)),
  ];
  readonly columns: { tensor: string; statistic: string }[] = [];
  readonly interpolations: { low: number; high: number; fraction: number }[] = [];
  readonly #nodes: NodeProto[] = [];
  readonly #pieces: string[] = [];
  #width = 0;
  #tensors = 0;

  add(tensor: string, size: number, statistics: readonly Statistic[]): void {
    const prefix = `${PREFIX}/${this.#tensors++}`;
    const flat = this.#node("Reshape", [tensor, `${PREFIX}/flat`], `${prefix}/flat`);
    for (const statistic of statistics) {
      if (statistic.type !== "min" && statistic.type !== "max") continue;
      const reduced = this.#node(
        statistic.type === "min" ? "ReduceMin" : "ReduceMax",
        [flat],
        `${prefix}/${statistic.type}`,
      );
      const at = this.#piece(reduced, 1);
      this.#column(tensor, statistic, { low: at, high: at, fraction: 0 });
    }
    const of = (type: Statistic["type"], side?: "min" | "max") =>
      statistics.filter((s) => s.type === type && (s.type !== "quantile" || s.side === side));
    this.#tail(tensor, `${prefix}/low`, flat, size, of("quantile", "min"), false);
    this.#tail(tensor, `${prefix}/high`, flat, size, of("quantile", "max"), true);
    const magnitudes = of("abs_quantile");
    if (magnitudes.length > 0) {
      const absolute = this.#node("Abs", [flat], `${prefix}/abs`);
      this.#tail(tensor, `${prefix}/abs_high`, absolute, size, magnitudes, true);
    }
  }

  /** The row of all pieces. */
  finish(): NodeProto[] {
    return [
      ...this.#nodes,
      makeNode("Concat", this.#pieces, STATISTICS_OUTPUT, [makeIntAttribute("axis", 0)]),
    ];
  }

  /** Quantiles near one end, from one TopK that reaches as far as the furthest of them. */
  #tail(
    tensor: string,
    prefix: string,
    values: string,
    size: number,
    statistics: readonly Statistic[],
    largest: boolean,
  ): void {
    if (statistics.length === 0) return;
    const ranks = statistics.map((statistic) => {
      const { below, fraction } = quantilePosition(
        size,
        "outlierProb" in statistic ? statistic.outlierProb : 0,
      );
      return { near: below, far: Math.min(below + 1, size - 1), fraction };
    });
    const depth = Math.max(...ranks.map(({ far }) => far)) + 1;
    const k = this.#constant(`${prefix}/k`, [depth]);
    const top = `${prefix}/values`;
    this.#nodes.push(
      create(NodeProtoSchema, {
        opType: "TopK",
        name: top,
        input: [values, k],
        output: [top, `${prefix}/indices`],
        attribute: [
          makeIntAttribute("axis", 0),
          makeIntAttribute("largest", largest ? 1 : 0),
          makeIntAttribute("sorted", 1),
        ],
      }),
    );
    const wanted = [...new Set(ranks.flatMap(({ near, far }) => [near, far]))];
    const indices = this.#constant(`${prefix}/ranks`, wanted);
    const picked = this.#node("Gather", [top, indices], `${prefix}/picked`);
    const at = this.#piece(picked, wanted.length);
    statistics.forEach((statistic, i) => {
      const { near, far, fraction } = ranks[i]!;
      this.#column(tensor, statistic, {
        low: at + wanted.indexOf(near),
        high: at + wanted.indexOf(far),
        fraction,
      });
    });
  }

  #node(opType: string, inputs: string[], output: string): string {
    this.#nodes.push(makeNode(opType, inputs, output));
    return output;
  }

  #constant(name: string, values: readonly number[]): string {
    this.initializers.push(
      makeTensor(
        name,
        DataType.INT64,
        [values.length],
        BigInt64Array.from(values, (value) => BigInt(value)),
      ),
    );
    return name;
  }

  #piece(output: string, width: number): number {
    this.#pieces.push(output);
    this.#width += width;
    return this.#width - width;
  }

  #column(
    tensor: string,
    statistic: Statistic,
    interpolation: { low: number; high: number; fraction: number },
  ): void {
    this.columns.push({ tensor, statistic: statisticName(statistic) });
    this.interpolations.push(interpolation);
  }
}
