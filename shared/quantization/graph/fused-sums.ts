import { elementCount } from "../../onnx/model/tensor.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/**
 * Removes the quantizer from one input of each sum, on devices that add the sum's other input to a product's
 * accumulator (`fused_sum`, as on CPU_SPR): the product's result enters the sum unrounded. The input chosen
 * is one that a product without a Relu produces and that only the sum reads; if both inputs come from
 * products that only the sum reads, the larger one, and the second of equal ones.
 *
 * @param ops the quantized ops; a sum is among them only if both its inputs are quantized
 */
export function withFusedSums(ops: readonly QuantizableOp[], view: OperandView): QuantizableOp[] {
  const makers = new Map(ops.filter(({ role }) => role === "weighted").map((op) => [op.output, op]));
  const unrounded = new Set<string>();
  const summing = ops.map((op) => {
    const fused =
      view.hardware.operation(op.node.opType)?.fused_sum === true ? fusedInput(op, makers, view) : undefined;
    if (fused === undefined) return op;
    unrounded.add(op.node.input[fused]!);
    return { ...op, activations: op.activations.filter((input) => input !== fused), unrounded: fused };
  });
  return summing.map((op) => (unrounded.has(op.output) ? { ...op, kernel: "any output" as const } : op));
}

/** Index of the input of a sum that stays unrounded in the product's accumulator; `undefined` if there is none. */
function fusedInput(
  { node, activations }: QuantizableOp,
  makers: ReadonlyMap<string, QuantizableOp>,
  { index, tensors }: OperandView,
): number | undefined {
  const [first, second, ...others] = activations;
  if (first === undefined || second === undefined || others.length > 0) return undefined;
  const madeForIt = [first, second].filter((input) => {
    const tensor = node.input[input]!;
    return makers.has(tensor) && index.consumers(tensor).length === 1 && !index.isVisibleOutside(tensor);
  });
  if (madeForIt.length === 2) {
    const size = (input: number): number =>
      elementCount((tensors.get(node.input[input]!)?.shape ?? []).filter((dim) => typeof dim === "number"));
    return size(first) > size(second) ? first : second;
  }
  return madeForIt.find((input) => makers.get(node.input[input]!)!.clip === undefined);
}
