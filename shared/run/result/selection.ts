import type { Metric } from "../../metrics/metric.js";
import type { FinishSummary } from "../protocol/finish-summary.js";
import type { Measurement } from "../protocol/state.js";

/**
 * A finalist's loss on the validation samples, which no decision used; losses are in percent relative to the
 * float model on the same samples.
 */
export interface ValidatedFinalist {
  readonly trial: number;
  readonly accuracyLoss: number;
  readonly validationLoss: number;
  /**
   * Loss on the validation samples minus loss on the evaluation samples, in percentage points: positive if
   * the evaluation samples were too favourable.
   */
  readonly flattered: number;
}

/**
 * Selection bias (winner's curse): the more trials the best one is chosen from, the more its own evaluation
 * overestimates it.
 */
export interface Selection {
  /** The validated finalists (the best trials by evaluation samples), best first. */
  readonly finalists: readonly ValidatedFinalist[];
  /**
   * The best trial's loss on the validation samples minus its loss on the evaluation samples, in percentage
   * points.
   */
  readonly flattered: number;
  /**
   * The best trial's loss on the validation samples minus the smallest such loss of all finalists, in
   * percentage points; 0 or more.
   */
  readonly lost: number;
}

/**
 * Computes the selection bias from the finalists' validation scores.
 *
 * @returns `null` without validation samples
 */
export function describeSelection(
  metric: Metric,
  float: Measurement,
  summary: FinishSummary,
  measurementOf: (trial: number) => Measurement | undefined,
): Selection | null {
  const { floatValidation } = summary;
  if (floatValidation === undefined) return null;
  const finalists = summary.candidates.flatMap(({ trial, validation }): ValidatedFinalist[] => {
    const measurement = measurementOf(trial);
    if (validation === undefined || measurement === undefined) return [];
    const accuracyLoss = 100 * metric.loss(float.metric, measurement.metric);
    const validationLoss = 100 * metric.loss(floatValidation.value, validation.value);
    return [{ trial, accuracyLoss, validationLoss, flattered: validationLoss - accuracyLoss }];
  });
  const [best] = finalists;
  if (best === undefined) return null;
  const least = Math.min(...finalists.map(({ validationLoss }) => validationLoss));
  return { finalists, flattered: best.flattered, lost: best.validationLoss - least };
}
