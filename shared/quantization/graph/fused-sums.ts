import { elementCount } from "../../onnx/model/tensor.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/**
 * Takes the quantizer off one of the two inputs of a sum, on devices that add it to a product's accumulator (`fused_sum`;
 * reference section 8, CPU_SPR): the product that makes it hands it over unrounded. That is the input which the sum alone
 * reads and a product makes without a Relu; where products make both for the sum alone, the larger, and the second of
 * equals.
 *
 * @param ops those that are quantized, sums only where both inputs are
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

/** Which input of a sum stays in the accumulator, if any. */
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
  return madeForIt.find((input) => makers.get(node.input[input]!)!.saturating === undefined);
}
