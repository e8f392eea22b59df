import { createRandomStream } from "../search/numerics/random.js";

/** The 97.5 % quantile of the standard normal distribution: half the width of a 95 % interval, in standard errors. */
const Z = 1.959963984540054;
const RESAMPLES = 400;
/** Seed of the bootstrap; fixed, so that the same rows (scores of samples) give the same interval on every machine. */
const BOOTSTRAP_SEED = 20_240_101;

export type Interval = readonly [low: number, high: number];

/** Mean of the rows (one score per sample), summed in sample order. */
export function mean(rows: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < rows.length; index++) sum += rows[index]!;
  return sum / rows.length;
}

/**
 * 95 % confidence interval of the mean of rows (one score per sample): Wilson's where all rows are 0 or 1,
 * otherwise the normal one.
 *
 * @param range smallest and largest value of a row, to which the interval is clipped
 */
export function meanInterval(rows: Float32Array, range?: Interval): Interval {
  if (rows.every((row) => row === 0 || row === 1)) return wilson(mean(rows), rows.length);
  const [low, high] = normal(rows);
  return range === undefined ? [low, high] : [Math.max(low, range[0]), Math.min(high, range[1])];
}

/** Wilson's score interval of a proportion, with 95 % confidence (E. B. Wilson, JASA 22, 1927). */
function wilson(share: number, samples: number): Interval {
  const spread = (Z * Z) / samples;
  const centre = (share + spread / 2) / (1 + spread);
  const half = (Z / (1 + spread)) * Math.sqrt((share * (1 - share)) / samples + spread / (4 * samples));
  // At 0 and 1 one bound equals the proportion, which the formula misses by a rounding error.
  return [share === 0 ? 0 : centre - half, share === 1 ? 1 : centre + half];
}

function normal(rows: Float32Array): Interval {
  const centre = mean(rows);
  if (rows.length < 2) return [centre, centre];
  let squares = 0;
  for (let index = 0; index < rows.length; index++) squares += (rows[index]! - centre) ** 2;
  const half = Z * Math.sqrt(squares / (rows.length - 1) / rows.length);
  return [centre - half, centre + half];
}

/**
 * 95 % percentile bootstrap interval, by resampling rows (scores of samples) with replacement, for values that are
 * not means. The seed is fixed, so that the same rows give the same interval.
 *
 * @param aggregate returns the value of `samples x rowWidth` numbers
 */
export function bootstrapInterval(
  rows: Float32Array,
  rowWidth: number,
  aggregate: (rows: Float32Array) => number,
): Interval {
  const samples = rows.length / rowWidth;
  const resample = new Float32Array(rows.length);
  const values: number[] = [];
  for (let round = 0; round < RESAMPLES; round++) {
    const random = createRandomStream(BOOTSTRAP_SEED, round, "noise");
    for (let position = 0; position < samples; position++) {
      const sample = random.below(samples) * rowWidth;
      resample.set(rows.subarray(sample, sample + rowWidth), position * rowWidth);
    }
    values.push(aggregate(resample));
  }
  values.sort((a, b) => a - b);
  return [values[Math.floor(0.025 * RESAMPLES)]!, values[Math.ceil(0.975 * RESAMPLES) - 1]!];
}
