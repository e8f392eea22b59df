import { targetHardware } from "../device/hardware.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { QuantizableOp } from "../graph/quantizable-ops.js";
import type { QuantizationPlan } from "../space/plan.js";

/**
 * Width in bits of the codes that ONNX Runtime's integer kernels on the CPU support, the only one; narrower
 * activation codes are stored in it.
 */
export const KERNEL_BITS = 8;

/**
 * The reason why ONNX Runtime has no integer kernel on the CPU for an op as planned; `undefined` where it has
 * one. Without one the op is simulated: float arithmetic between DequantizeLinear and QuantizeLinear gives
 * the same numbers at the speed of float.
 */
export function simulationReason(
  op: QuantizableOp,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
): string | undefined {
  // The device description of the CPU lists the ops with integer kernels.
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
      return `ONNX Runtime has no integer ${op.node.opType} with scales per channel of activations`;
    }
  }
  return undefined;
}
