import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";
import { type AttributeValue, attributeEquals } from "../../../onnx/model/attributes.js";
import { potMeaning } from "./pot-op-types.js";

/** What the configuration excludes from quantization (docs/reference/algorithms.md, "Ignored nodes"). */
export interface IgnoredScope {
  readonly skipModel?: boolean;
  /** Names of the excluded nodes. */
  readonly scope?: readonly string[];
  /** Excluded op types, by ONNX's name or POT's; with attributes, only nodes that have all these values. */
  readonly operations?: readonly {
    readonly type: string;
    readonly attributes?: Readonly<Record<string, AttributeValue>> | undefined;
  }[];
}

/** Whether the configuration excludes a node: by its name, its type, or together with all nodes. */
export function isIgnored(node: NodeProto, ignored: IgnoredScope): boolean {
  return (
    (ignored.skipModel ?? false) ||
    (ignored.scope?.includes(node.name) ?? false) ||
    (ignored.operations?.some(
      ({ type, attributes = {} }) =>
        (type === node.opType || potMeaning(type)?.(node)) &&
        Object.entries(attributes).every(([name, value]) => attributeEquals(node, name, value)),
    ) ??
      false)
  );
}

/**
 * The nodes that the configuration excludes (`named`), and the direct readers of those among them that are
 * agnostic (pass values on): a quantizer after an agnostic op would have to move above it, and so quantize it
 * too.
 */
export function findIgnored(
  index: GraphIndex,
  ignored: IgnoredScope,
  isAgnostic: (node: NodeProto) => boolean,
): { readonly named: readonly NodeProto[]; readonly readers: readonly NodeProto[] } {
  const named = index.nodes.filter((node) => isIgnored(node, ignored));
  const outputs = named.filter(isAgnostic).flatMap(({ output }) => output);
  return { named, readers: outputs.flatMap((tensor) => index.consumers(tensor).map(({ node }) => node)) };
}
