import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import { GraphIndex } from "../graph/graph-index.js";
import { makeIntAttribute } from "../model/attributes.js";
import { isStandardDomain, type Model } from "../model/codec.js";
import { NewNames } from "../model/new-names.js";
import { DataType, exactIntValues, intValues, makeTensor } from "../model/tensor.js";

/**
 * Replaces the pads of listed axes by pads of all axes in every Pad, in place: ONNX Runtime ignores the list
 * of axes when it moves a Transpose across a Pad between quantized ops.
 *
 * @param rankOf number of a tensor's axes; a Pad of unknown rank (`undefined`) stays unchanged
 */
export function padAllAxes(model: Model, rankOf: (tensor: string) => number | undefined): void {
  const { graph } = model;
  const { initializers, names } = new GraphIndex(graph);
  const newNames = new NewNames(names);
  graph.node = graph.node.flatMap((node) => {
    const [data = "", pads = "", , axes = ""] = node.input;
    const rank = rankOf(data);
    if (node.opType !== "Pad" || !isStandardDomain(node.domain) || axes === "" || rank === undefined) {
      return [node];
    }
    const written = widenedPads({ pads, axes, rank }, initializers, newNames);
    graph.initializer.push(...written.initializers);
    node.input = [data, written.pads, ...node.input.slice(2, 3)];
    return [...written.nodes, node];
  });
}

interface ListedPads {
  readonly pads: string;
  readonly axes: string;
  readonly rank: number;
}

interface WidenedPads {
  readonly pads: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
}

function widenedPads(
  listed: ListedPads,
  initializers: ReadonlyMap<string, TensorProto>,
  names: NewNames,
): WidenedPads {
  const [pads, axes] = [initializers.get(listed.pads), initializers.get(listed.axes)];
  if (pads === undefined || axes === undefined) return computedPads(listed, axes?.dataType, names);
  const wide = new BigInt64Array(2 * listed.rank);
  const values = exactIntValues(pads);
  intValues(axes).forEach((axis, i, all) => {
    const position = axis < 0 ? axis + listed.rank : axis;
    wide[position] = values[i]!;
    wide[position + listed.rank] = values[i + all.length]!;
  });
  const name = names.name(`${listed.pads}/all_axes`);
  return { pads: name, nodes: [], initializers: [makeTensor(name, DataType.INT64, [wide.length], wide)] };
}

/**
 * The pads of all axes of a Pad whose pads or axes are computed in the graph: nodes that scatter the listed pads
 * into zeros.
 */
function computedPads(
  { pads, axes, rank }: ListedPads,
  type: number | undefined,
  names: NewNames,
): WidenedPads {
  const initializers: TensorProto[] = [];
  const nodes: NodeProto[] = [];
  const constant = (ending: string, values: readonly number[]): string => {
    const name = names.name(`${pads}/${ending}`);
    const data = BigInt64Array.from(values, BigInt);
    initializers.push(makeTensor(name, DataType.INT64, [values.length], data));
    return name;
  };
  const node = (opType: string, input: string[], attribute: NodeProto["attribute"] = []): string => {
    const name = names.name(`${pads}/${opType}`);
    nodes.push(create(NodeProtoSchema, { opType, name, input, output: [name], attribute }));
    return name;
  };
  const wide =
    type === DataType.INT64 ? axes : node("Cast", [axes], [makeIntAttribute("to", DataType.INT64)]);
  const size = constant("rank", [rank]);
  // Mod's result has the sign of the divisor, so negative axes count from the end.
  const begins = node("Mod", [wide, size]);
  const places = node("Concat", [begins, node("Add", [begins, size])], [makeIntAttribute("axis", 0)]);
  const zeros = constant("zeros", new Array<number>(2 * rank).fill(0));
  return { pads: node("ScatterElements", [zeros, places, pads]), nodes, initializers };
}
