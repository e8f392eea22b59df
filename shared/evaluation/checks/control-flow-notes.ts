import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import { note, type RunWarning } from "../../validation/warnings.js";

const CONTROL_FLOW: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/**
 * Maximum number of control flow nodes (If, Loop, Scan) that get a note each; one more note covers the
 * others.
 */
const MOST_NAMED = 8;

/**
 * Returns notes on the control flow nodes (If, Loop, Scan) whose bodies hold ops that stay in float: a note
 * for each of the first nodes, and one for all others.
 */
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
