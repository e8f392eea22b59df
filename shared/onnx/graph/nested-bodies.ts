import { create } from "@bufbuild/protobuf";
import { GraphProtoSchema } from "onnx-buf";
import { nestedGraphs } from "../model/attributes.js";
import type { Model } from "../model/codec.js";
import { GraphIndex } from "./graph-index.js";

/**
 * Gives `If`, `Loop` and `Scan` nodes of a folded model the bodies that they had before, in place: ONNX Runtime folds
 * those too, and they are to stay as they are. A body whose outer tensors folding has taken away keeps its folded form.
 */
export function restoreBodies(folded: Model, original: Model): void {
  const before = new Map(original.graph.node.map((node) => [node.output[0], node]));
  const { graph } = folded;
  const outer = new Set([
    ...[...graph.input, ...graph.initializer].map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  for (const node of graph.node) {
    if (nestedGraphs(node).length === 0) continue;
    const unfolded = before.get(node.output[0]);
    if (unfolded?.opType !== node.opType) continue;
    const { captured } = new GraphIndex(create(GraphProtoSchema, { node: [unfolded] }));
    if ([...captured].every((tensor) => outer.has(tensor))) node.attribute = unfolded.attribute;
  }
}
