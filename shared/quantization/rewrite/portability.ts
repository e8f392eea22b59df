import { PROCESSOR_CLASSES, type ProcessorClass } from "../../runtime/processor-class.js";
import type { QuantizerLayout } from "../graph/groups.js";
import { canSaturate } from "../graph/kernel-saturation.js";
import type { QuantizableOp } from "../graph/quantizable-ops.js";
import type { QuantizationPlan } from "../space/plan.js";
import { simulationReason } from "./kernel-support.js";

/**
 * The products (Conv, MatMul, Gemm) that a plan quantizes and whose integer kernels can saturate on a class of
 * processor.
 */
export function saturatingProducts(
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  processor: ProcessorClass,
): QuantizableOp[] {
  return [...layout.ops.values()].filter((op) => {
    const weight = op.weight && plan.weights.get(op.weight.initializer);
    if (weight === undefined || !plan.ops.has(op.key)) return false;
    return canSaturate(op, weight, processor) && simulationReason(op, layout, plan) === undefined;
  });
}

/** The processor classes on which no product of a plan can saturate, so that results are exact. */
export function exactClasses(layout: QuantizerLayout, plan: QuantizationPlan): ProcessorClass[] {
  return PROCESSOR_CLASSES.filter((processor) => saturatingProducts(layout, plan, processor).length === 0);
}

/**
 * Whether the model computes the same integers on every processor class, given the classes on which it is
 * exact.
 */
export function isPortable(exactOn: readonly ProcessorClass[]): boolean {
  return exactOn.length === PROCESSOR_CLASSES.length;
}

/** Entries of model metadata that name the processor classes on which no product can saturate. */
export function portabilityProperties(exactOn: readonly ProcessorClass[]): Record<string, string> {
  return {
    "quantfleet.portable": String(isPortable(exactOn)),
    "quantfleet.exact_on": exactOn.join(","),
  };
}
