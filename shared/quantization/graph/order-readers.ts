import type { NodeProto } from "onnx-buf";
import { stringAttribute } from "../../onnx/model/attributes.js";
import { DataType, floatValues } from "../../onnx/model/tensor.js";
import type { OperandView } from "./quantizable-ops.js";

/** Ops whose outputs are the largest of some of their input's values. */
const MAXIMA: ReadonlySet<string> = new Set(["MaxPool", "GlobalMaxPool", "ReduceMax"]);
/** Ops whose outputs are the smallest of some of their input's values. */
const MINIMA: ReadonlySet<string> = new Set(["ReduceMin"]);

/** Whether an op picks values by their order: cutting its input to a range gives what cutting its output gives. */
export function picksByOrder({ opType, domain }: NodeProto): boolean {
  return domain === "" && (MAXIMA.has(opType) || MINIMA.has(opType));
}

/**
 * Whether a Pad may pad with the code next to its value: with zero, which every range holds, or with a value on the far
 * side of zero where only maxima (below zero) or only minima (above) read the output, as there such a value stands for
 * no activation (the lowest float, minus infinity) and never wins.
 */
export function padsWithinRange(node: NodeProto, view: OperandView): boolean {
  if (stringAttribute(node, "mode", "constant") !== "constant") return true;
  const value = paddingValue(node, view);
  if (value === undefined) return false;
  if (value === 0) return true;
  return node.output.every((output) => isReadBy(value < 0 ? MAXIMA : MINIMA, output, view));
}

/** What a Pad pads with; `undefined` where it is computed, no float, or NaN. */
export function paddingValue(node: NodeProto, { index }: OperandView): number | undefined {
  const name = node.input[2] ?? "";
  if (name === "") return 0;
  const tensor = index.initializers.get(name);
  const value = tensor?.dataType === DataType.FLOAT ? floatValues(tensor)[0] : undefined;
  return value === undefined || Number.isNaN(value) ? undefined : value;
}

/** Whether ops of some types alone read a tensor, through ops that move values about. */
function isReadBy(types: ReadonlySet<string>, tensor: string, view: OperandView): boolean {
  const { index, hardware } = view;
  if (index.isVisibleOutside(tensor)) return false;
  return index.consumers(tensor).every(({ node, input }) => {
    if (input !== 0) return false;
    if (node.domain === "" && types.has(node.opType)) return true;
    const moves = hardware.operation(node.opType)?.role === "agnostic" && !picksByOrder(node);
    return moves && node.opType !== "Resize" && node.output.every((output) => isReadBy(types, output, view));
  });
}
