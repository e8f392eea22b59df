import type { NodeProto } from "onnx-buf";
import type { Model } from "../model/codec.js";

/** What ONNX Runtime appends to a MatMul's name when it takes the Add behind it in and makes both a Gemm. */
const FUSION = /\/MatMulAddFusion$/;

/** A node's name, or one made of its type and first output where it has none. */
export function nodeName(node: NodeProto): string {
  return node.name !== "" ? node.name : `${node.opType}(${node.output[0] ?? ""})`;
}

/**
 * Gives the nodes of a folded model the names that the user knows them by, in place: a MatMul that became a Gemm its
 * own, and nodes without a name one each, since ONNX Runtime's optimized graph shows them by name only.
 *
 * @param original the node names of the model before folding
 */
export function restoreNodeNames(model: Model, original: ReadonlySet<string>): void {
  const taken = new Set(model.graph.node.map(({ name }) => name));
  for (const node of model.graph.node) {
    const wanted = nodeName(node).replace(FUSION, "");
    if (wanted === node.name || (node.name !== "" && !original.has(wanted)) || taken.has(wanted)) continue;
    node.name = wanted;
    taken.add(wanted);
  }
}
