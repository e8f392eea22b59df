import { create } from "@bufbuild/protobuf";
import { GraphProtoSchema } from "onnx-buf";
import { nestedGraphs } from "../model/attributes.js";
import type { Model } from "../model/codec.js";
import { GraphIndex } from "./graph-index.js";

/**
 * Restores the original bodies of `If`, `Loop` and `Scan` in a folded model, in place, because ONNX Runtime
 * folds bodies too and quantfleet leaves them unchanged. A body stays folded when it reads outer tensors that
 * folding removed.
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
