import type { ProcessorClass } from "../../runtime/processor-class.js";
import { codeFormOf, type Scheme, targetHardware, widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import type { QuantizableOp } from "./quantizable-ops.js";

/**
 * Largest number of weight codes with which kernels are exact, those from -64 to 64: the sum of two products
 * with activation codes, at most 2 * 64 * 255, fits into 16 bits.
 */
const LARGEST_EXACT_LEVELS = 129;

/**
 * Whether an op's integer kernel can saturate (overflow) on a class of processor with weights quantized by a
 * scheme, because it sums two products of an activation and a weight in 16 bits. A constant on the left of a
 * MatMul has unsigned codes, whose kernels are exact everywhere.
 */
export function canSaturate(op: QuantizableOp, scheme: Scheme, processor: ProcessorClass): boolean {
  if (op.weight === undefined || op.weight.input === 0 || !hasWideCodes(scheme)) return false;
  return (
    targetHardware(processor).operation(op.kernelType)?.saturating?.includes(codeFormOf(scheme)) ?? false
  );
}

/** Whether a scheme's codes are signed and so large that the sum of two products can overflow 16 bits. */
export function hasWideCodes(scheme: Scheme): boolean {
  return (
    scheme.bits === 8 && codeFormOf(scheme) === "int8" && levelsOf(widthOf(scheme)) > LARGEST_EXACT_LEVELS
  );
}
