import { targetHardware } from "../device/hardware.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { QuantizableOp } from "../graph/quantizable-ops.js";
import type { QuantizationPlan } from "../space/plan.js";

/** ONNX Runtime's integer kernels on the CPU take codes of this width only; narrower ones of activations lie in them. */
const KERNEL_BITS = 8;

/**
 * Why ONNX Runtime's CPU has no integer kernel for a quantized op as the plan has it; `undefined` where it has one.
 * Without one the op is simulated: QuantizeLinear and DequantizeLinear around float arithmetic give the numbers that
 * integers would, at the speed of float.
 */
export function simulationReason(
  op: QuantizableOp,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
): string | undefined {
  // The CPU's file lists what there are kernels for.
  if (op.kernel === "none" || targetHardware("CPU").operation(op.node.opType) === undefined) {
    return `ONNX Runtime has no integer ${op.node.opType}`;
  }
  if (op.unrounded !== undefined) return `ONNX Runtime has no integer ${op.node.opType} of a float operand`;
  const isWritten = plan.activations.has(layout.quantizerOf.get(op.output) ?? "");
  if (op.node.opType === "Conv" && !isWritten) return "ONNX Runtime has no integer Conv with a float output";
  const weight = op.weight && plan.weights.get(op.weight.initializer);
  if (weight !== undefined && weight.bits !== KERNEL_BITS) {
    return `ONNX Runtime has no integer ${op.node.opType} with ${weight.bits}-bit weights`;
  }
  const inputs = op.activations.map((input) => op.node.input[input]!);
  for (const tensor of op.kernel === "integer output" ? [...inputs, op.output] : inputs) {
    const activation = plan.activations.get(layout.quantizerOf.get(tensor)!);
    if (activation !== undefined && activation.bits > KERNEL_BITS) {
      return `ONNX Runtime has no integer ${op.node.opType} with ${activation.bits}-bit activations`;
    }
    if (activation?.granularity === "perchannel") {
      return `ONNX Runtime has no integer ${op.node.opType} with a scale a channel of activations`;
    }
  }
  return undefined;
}
