import type { Metric } from "../../metrics/metric.js";
import { normalQuantile } from "../../search/numerics/normal.js";

/** Parts of the samples that are left out in turn. */
const MOST_PARTS = 20;
/** How seldom accuracy may be said to have moved where it did not. */
const ERROR_RATE = 0.05;

/**
 * Whether two trials' metrics differ by more than chance over samples: a jackknife of the difference, as both scored the
 * same samples and most of what one sample adds they have in common.
 *
 * @param first rows of the most accurate of some trials
 * @param second rows of the least accurate
 * @param trials how many there were to pick these two from, which widens the gap that chance leaves between them
 */
export function hasMoved(metric: Metric, first: Float32Array, second: Float32Array, trials: number): boolean {
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
