import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import { note, type RunWarning } from "../../validation/warnings.js";

const CONTROL_FLOW: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/** Nodes that have a note of their own. */
const MOST_NAMED = 8;

/** A note for each control flow node whose bodies hold ops that stay in float, and one for all beyond a few. */
export function controlFlowNotes({ unquantizable }: Pick<QuantizerLayout, "unquantizable">): RunWarning[] {
  const nodes = unquantizable.filter(isControlFlow);
  const notes = nodes
    .slice(0, MOST_NAMED)
    .map(({ name, type, reason }) => note("control-flow", `${type} "${name}" stays in float: ${reason}.`));
  const others = nodes.length - notes.length;
  if (others <= 0) return notes;
  return [
    ...notes,
    note(
      "control-flow",
      `${others} more nodes of control flow stay in float, as nothing in their bodies is quantized; inspect lists them.`,
    ),
  ];
}

export function isControlFlow({ type }: { readonly type: string }): boolean {
  return CONTROL_FLOW.has(type);
}
