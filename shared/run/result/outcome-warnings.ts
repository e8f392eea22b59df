import { note, type RunWarning, warning } from "../../validation/warnings.js";
import type { RunRequest } from "../protocol/request.js";
import type { RunResult } from "./result.js";

/**
 * Warnings that follow from the outcome of a run.
 *
 * @param accuracyDiffers whether accuracy differs significantly between trials
 */
export function outcomeWarnings(
  { best, selection, float }: Pick<RunResult, "best" | "selection" | "float">,
  { accuracyLoss: bound }: Pick<RunRequest["optimizer"], "accuracyLoss">,
  accuracyDiffers: boolean,
): RunWarning[] {
  const [first] = selection?.finalists ?? [];
  const warnings: RunWarning[] = [];
  // Where the float model is the result, no finalist's loss concerns the result.
  if (best?.withinBound === true && first?.trial === best.trial && first.validationLoss > bound) {
    warnings.push(
      warning(
        "validation-loss",
        `the best model (trial ${best.trial}) loses ${first.validationLoss.toFixed(2)} % on the validation samples, beyond the bound of ${bound} %, and ${first.accuracyLoss.toFixed(2)} % on the evaluation samples that it was chosen by; give more evaluation samples, or a smaller accuracy_loss.`,
      ),
    );
  }
  if (!accuracyDiffers) {
    warnings.push(
      note(
        "nothing-moved",
        `no trial moved ${float.metric.name} by more than ${float.metric.samples} samples can tell apart, so that nothing is said of what mattered to it; give more evaluation samples to see differences.`,
      ),
    );
  }
  return warnings;
}
