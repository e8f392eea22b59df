import type { KernelExactness } from "../../../shared/run/result/result.js";
import type { ProcessorClass } from "../../../shared/runtime/processor-class.js";
import { PROCESSOR_CLASSES } from "../../../shared/runtime/processor-class.js";

/** Largest number of inexactly computed products that are named one by one. */
const MAX_NAMED = 5;

/** Signal-to-noise ratio, in decibels, that `KernelExactness` holds when kernels and exact arithmetic agree. */
const NO_DIFFERENCE = 200;

/**
 * Sentences on how exactly this machine's kernels compute a model, and on which processor classes the model
 * is exact.
 */
export function exactnessNotes(
  exactness: KernelExactness | null,
  exactOn: readonly ProcessorClass[] | null,
): string[] {
  return [
    ...(exactOn === null ? [] : [portabilityNote(exactOn)]),
    ...(exactness === null ? [] : [differenceNote(exactness)]),
    ...(exactness?.products ?? [])
      .slice(0, MAX_NAMED)
      .map(
        ({ name, type, decibels }) =>
          `Computed inexactly here: ${type} ${name} (${decibels.toFixed(1)} dB to exact arithmetic).`,
      ),
  ];
}

function portabilityNote(exactOn: readonly ProcessorClass[]): string {
  const others = PROCESSOR_CLASSES.filter((processor) => !exactOn.includes(processor));
  if (others.length === 0) return `Portable: the same integers on ${PROCESSOR_CLASSES.join(", ")}.`;
  return `Not portable: exact on ${exactOn.join(", ") || "no class"}, can saturate on ${others.join(", ")}; target_device ANY gives a portable model.`;
}

function differenceNote({ decibels, batches }: KernelExactness): string {
  const samples = `on ${batches} calibration ${batches === 1 ? "batch" : "batches"}`;
  if (decibels >= NO_DIFFERENCE) return `The kernels compute the model exactly ${samples}.`;
  return `The kernels differ from exact arithmetic by ${decibels.toFixed(1)} dB ${samples}.`;
}
