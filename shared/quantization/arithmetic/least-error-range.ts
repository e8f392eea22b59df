import type { Range } from "./range.js";

/**
 * Factors that are tried to move an end of the range towards zero: 8 per octave down to 1/128. A finer grid
 * hardly changes the error.
 */
const SHRINKS: readonly number[] = Array.from({ length: 56 }, (_, i) => 2 ** (-(i + 1) / 8));

/** Upper limit of the rounds of coordinate descent over a range's ends; two ends converge within three. */
const MOST_ROUNDS = 4;

/** Which ends of a range may move inwards (towards zero). */
export interface FreeEnds {
  readonly low: boolean;
  readonly high: boolean;
}

/**
 * Returns the range of least quantization error that coordinate descent finds, moving one free end inwards at a
 * time. Its error is never larger than that of `widest`.
 *
 * @param error returns the error of a range
 */
export function leastErrorRange(widest: Range, free: FreeEnds, error: (range: Range) => number): Range {
  const ends = (["high", "low"] as const).filter((end) => free[end]);
  let best = widest;
  let least = error(best);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const before = least;
    for (const end of ends) {
      for (const candidate of [1, ...SHRINKS].map((shrink) => ({ ...best, [end]: widest[end] * shrink }))) {
        const found = error(candidate);
        if (found < least) {
          least = found;
          best = candidate;
        }
      }
    }
    if (ends.length < 2 || least === before) break;
  }
  return best;
}
