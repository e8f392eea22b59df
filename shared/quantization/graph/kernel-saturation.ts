import type { ProcessorClass } from "../../runtime/processor-class.js";
import { codeFormOf, type Scheme, targetHardware, widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import type { QuantizableOp } from "./quantizable-ops.js";

/** 2 * 64 * 255, the sum of two products of codes, still fits into 16 bits. */
const LARGEST_EXACT_LEVELS = 129;

/**
 * Whether the integer kernel of an op can saturate with weights of a scheme on a class of processor: where two products
 * of an activation and a weight are added up in 16 bits. A constant on the left of a MatMul has unsigned codes, whose
 * kernels are exact everywhere.
 */
export function canSaturate(op: QuantizableOp, scheme: Scheme, processor: ProcessorClass): boolean {
  if (op.weight === undefined || op.weight.input === 0 || !hasWideCodes(scheme)) return false;
  return (
    targetHardware(processor).operation(op.kernelType)?.saturating?.includes(codeFormOf(scheme)) ?? false
  );
}

/** Whether the codes of a scheme are signed and go so far from zero that the sum of two products can leave 16 bits. */
export function hasWideCodes(scheme: Scheme): boolean {
  return (
    scheme.bits === 8 && codeFormOf(scheme) === "int8" && levelsOf(widthOf(scheme)) > LARGEST_EXACT_LEVELS
  );
}
