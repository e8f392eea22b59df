import type { NodeProto } from "onnx-buf";
import { stringAttribute } from "../../onnx/model/attributes.js";
import { DataType, floatValues } from "../../onnx/model/tensor.js";
import type { OperandView } from "./quantizable-ops.js";

/** Ops whose outputs are the largest of some of their input's values. */
const MAXIMA: ReadonlySet<string> = new Set(["MaxPool", "GlobalMaxPool", "ReduceMax"]);
/** Ops whose outputs are the smallest of some of their input's values. */
const MINIMA: ReadonlySet<string> = new Set(["ReduceMin"]);

/**
 * Whether an op selects maxima or minima, so that clipping its input to a range equals clipping its output.
 */
export function picksByOrder({ opType, domain }: NodeProto): boolean {
  return domain === "" && (MAXIMA.has(opType) || MINIMA.has(opType));
}

/**
 * Whether a Pad's value may be clipped to the quantizer's range. Zero is in every range. A negative value may
 * be clipped where only maxima read the output, and a positive one where only minima do: such a value (the
 * lowest float, minus infinity) is never selected.
 */
export function padsWithinRange(node: NodeProto, view: OperandView): boolean {
  if (stringAttribute(node, "mode", "constant") !== "constant") return true;
  const value = paddingValue(node, view);
  if (value === undefined) return false;
  if (value === 0) return true;
  return node.output.every((output) => isReadBy(value < 0 ? MAXIMA : MINIMA, output, view));
}

/**
 * The constant padding value of a Pad, 0 where it is left out; `undefined` where it is computed, not a float,
 * or NaN.
 */
export function paddingValue(node: NodeProto, { index }: OperandView): number | undefined {
  const name = node.input[2] ?? "";
  if (name === "") return 0;
  const tensor = index.initializers.get(name);
  const value = tensor?.dataType === DataType.FLOAT ? floatValues(tensor)[0] : undefined;
  return value === undefined || Number.isNaN(value) ? undefined : value;
}

/** Whether only ops of these types read a tensor, directly or through agnostic ops (which pass values on). */
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
