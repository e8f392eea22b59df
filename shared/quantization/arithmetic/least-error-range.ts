import type { Range } from "./range.js";

/** Candidates shrink an end by eighths of an octave, down to a 128th: between two of them the error hardly changes. */
const SHRINKS: readonly number[] = Array.from({ length: 56 }, (_, i) => 2 ** (-(i + 1) / 8));

/** Two ends settle within three rounds; more would be a loop on equal errors. */
const MOST_ROUNDS = 4;

/** Which ends of a range may move inwards. */
export interface FreeEnds {
  readonly low: boolean;
  readonly high: boolean;
}

/**
 * Moves the free ends of a range inwards, in turn, to where the error is least, as far as one end at a time gets.
 * The error of the result is never above that of the range as it was.
 * @param error of any range
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
