import { bestClasses } from "../../metrics/classes.js";
import type { Metric } from "../../metrics/metric.js";
import { type RunWarning, warning } from "../../validation/warnings.js";
import type { Scored } from "../jobs/scorer.js";

/** Scored batches of a model on a few samples: outputs, labels and scores. */
type Looks = readonly Scored[];

/** Minimum number of samples for a warning: fewer do not tell a model that guesses from one that does not. */
const FEWEST_SAMPLES = 16;
/**
 * Accuracy (0 to 1) below which a classifier gets a warning, and half of it for other metrics: a trained
 * model is right more often than not.
 */
const LOW_ACCURACY = 0.5;
/**
 * Accuracy (0 to 1) from which on a model does not count as guessing, even where most samples are of one
 * class.
 */
const BEYOND_DOUBT = 0.8;
/**
 * By how much the accuracy (0 to 1) must rise when all labels are shifted by one, for a warning that they are
 * off by one.
 */
const SHIFT_GAIN = 0.3;

/**
 * Warns where labels do not fit a model. Labels off by one, or other preprocessing than in training, cost more
 * accuracy than any quantization, so that the result would be meaningless.
 *
 * @param who names the model in a sentence, such as `the float model`
 */
export function floatWarnings(metric: Metric, looks: Looks, who: string): RunWarning[] {
  if (metric.needs !== "labels") return [];
  switch (metric.name) {
    case "accuracy":
    case "f1":
      return classificationWarnings(metric, looks, who);
    case "miou":
    case "text_accuracy":
    case "character_accuracy":
      return lowWarning(metric, looks, who);
    default:
      return [];
  }
}

function lowWarning(metric: Metric, looks: Looks, who: string): RunWarning[] {
  const samples = looks.reduce((sum, { rows }) => sum + rows.length / metric.rowWidth, 0);
  const value = metric.aggregate(Float32Array.from(looks.flatMap(({ rows }) => [...rows])));
  if (samples < FEWEST_SAMPLES || value >= LOW_ACCURACY / 2) return [];
  return [
    warning(
      "float-accuracy",
      `${who} reaches ${metric.name} ${value.toFixed(3)} on ${samples} samples, far below what a trained model does; check labels, scale, mean and std before trusting the result.`,
    ),
  ];
}

function classificationWarnings(metric: Metric, looks: Looks, who: string): RunWarning[] {
  const output = metric.output ?? "";
  const predicted: number[] = [];
  const labels: number[] = [];
  for (const { outputs, reference } of looks) {
    if (reference.kind !== "labels" || outputs[output] === undefined) return [];
    predicted.push(...bestClasses(outputs[output], output));
    const { labels: slice } = reference;
    labels.push(...(slice.kind === "lines" ? slice.lines.map(Number) : slice.data));
  }
  const samples = labels.length;
  if (samples < FEWEST_SAMPLES) return [];
  const shareRight = (shift: number): number =>
    labels.filter((label, sample) => label + shift === predicted[sample]).length / samples;
  const accuracy = shareRight(0);
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const chance = Math.max(...counts.values()) / samples;
  const found = `${who} is right on ${(100 * accuracy).toFixed(1)} % of ${samples} evaluation samples`;
  const shift = [-1, 1].find((by) => shareRight(by) > accuracy + SHIFT_GAIN);
  if (shift !== undefined) {
    return [
      warning(
        "float-accuracy",
        `${found}, and would be on ${(100 * shareRight(shift)).toFixed(1)} % if every label were ${shift < 0 ? "one less" : "one more"}; the labels seem to be shifted, so correct them.`,
      ),
    ];
  }
  // Two standard deviations of the accuracy of guessing the commonest class.
  const luck = 2 * Math.sqrt((chance * (1 - chance)) / samples);
  const isChance = counts.size > 1 && accuracy <= chance + luck && accuracy < BEYOND_DOUBT;
  if (!isChance && accuracy >= LOW_ACCURACY) return [];
  const near = isChance
    ? `, and always guessing the commonest class would be on ${(100 * chance).toFixed(1)} %`
    : ", far below what the labels allow";
  return [
    warning(
      "float-accuracy",
      `${found}${near}; check that labels are the model's classes, and that scale, mean and std are those it was trained with.`,
    ),
  ];
}
