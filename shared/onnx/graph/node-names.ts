import type { NodeProto } from "onnx-buf";
import type { Model } from "../model/codec.js";

/** Suffix that ONNX Runtime appends to a MatMul's name when it fuses the MatMul and its Add into a Gemm. */
const FUSION = /\/MatMulAddFusion$/;

/** A node's name; where it has none, one made of its type and its first output. */
export function nodeName(node: NodeProto): string {
  return node.name !== "" ? node.name : `${node.opType}(${node.output[0] ?? ""})`;
}

/**
 * Gives the nodes of a folded model the names that the user knows, in place: a MatMul that became a Gemm gets
 * its own name back. Nodes without a name get one, because ONNX Runtime's optimized graph identifies nodes by
 * name only.
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
