import type { QuantizerLayout } from "../../quantization/graph/groups.js";

const CONTROL_FLOW: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/** A sentence for each control flow node whose bodies hold ops that stay in float. */
export function controlFlowNotes({
  unquantizable,
}: Pick<QuantizerLayout, "unquantizable">): readonly string[] {
  return unquantizable
    .filter(({ type }) => CONTROL_FLOW.has(type))
    .map(({ name, type, reason }) => `${type} "${name}" stays in float: ${reason}.`);
}
