import type { Metric } from "../../metrics/metric.js";
import { normalQuantile } from "../../search/numerics/normal.js";

/** Maximum number of groups that the samples are divided into for the jackknife estimate of the error. */
const MOST_PARTS = 20;
/** Significance level: probability of reporting a difference where there is none. */
const ERROR_RATE = 0.05;

/**
 * Whether the metrics of two trials differ significantly, by a delete-a-group jackknife of their difference
 * (both trials scored the same samples).
 *
 * @param first rows (per-sample scores) of the most accurate of some trials
 * @param second rows of the least accurate of these trials
 * @param trials number of trials that these two are the extremes of, for the Bonferroni correction over pairs
 */
export function differBeyondNoise(
  metric: Metric,
  first: Float32Array,
  second: Float32Array,
  trials: number,
): boolean {
  const { rowWidth } = metric;
  const samples = Math.min(first.length, second.length) / rowWidth;
  const difference = (keeps: (sample: number) => boolean): number => {
    const kept = (rows: Float32Array) => rows.filter((_, i) => keeps(Math.floor(i / rowWidth)));
    return metric.aggregate(kept(first)) - metric.aggregate(kept(second));
  };
  const whole = difference((sample) => sample < samples);
  if (whole === 0) return false;
  const parts = Math.min(MOST_PARTS, samples);
  if (parts < 2) return false;
  const without = Array.from({ length: parts }, (_, part) =>
    difference((sample) => sample < samples && sample % parts !== part),
  );
  const mean = without.reduce((sum, value) => sum + value, 0) / parts;
  const squares = without.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(((parts - 1) / parts) * squares);
  const pairs = Math.max(1, (trials * (trials - 1)) / 2);
  return Math.abs(whole) > normalQuantile(1 - ERROR_RATE / 2 / pairs) * error;
}
