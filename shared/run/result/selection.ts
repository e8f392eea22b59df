import type { Metric } from "../../metrics/metric.js";
import type { FinishSummary } from "../protocol/finish-summary.js";
import type { Measurement } from "../protocol/state.js";

/** How a finalist fared on samples that no decision used; losses in percent, relative to float on the same samples. */
export interface ValidatedFinalist {
  readonly trial: number;
  readonly accuracyLoss: number;
  readonly validationLoss: number;
  /** By how much more it loses there than on the samples that it was chosen by, in points. */
  readonly flattered: number;
}

/**
 * What choosing by the evaluation samples cost (search.md, "The race": the winner's curse): the more trials a best one
 * is picked from, the more its own evaluation flatters it.
 */
export interface Selection {
  /** Best first. */
  readonly finalists: readonly ValidatedFinalist[];
  /** Points by which the evaluation flattered the best; negative where the validation samples suit it better. */
  readonly flattered: number;
  /** Points that the best loses beyond the finalist that is most accurate on the validation samples; 0 if it is that. */
  readonly lost: number;
}

/** @returns `null` without validation samples */
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
