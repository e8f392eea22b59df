/**
 * Position of the q-quantile of n ascending values: `fraction` of the way from the value at index `below` to
 * the next one (numpy's linear interpolation).
 */
export function quantilePosition(n: number, q: number): { below: number; fraction: number } {
  const position = (n - 1) * q;
  const below = Math.min(Math.floor(position), n - 1);
  return { below, fraction: position - below };
}

/** The q-quantile of values sorted in ascending order, interpolated linearly as numpy does. */
export function quantileOfSorted(sorted: ArrayLike<number>, q: number): number {
  const { below, fraction } = quantilePosition(sorted.length, q);
  const low = sorted[below]!;
  return fraction === 0 ? low : interpolated(low, sorted[below + 1]!, fraction);
}

/**
 * The value that is `fraction` of the way from `low` to `high`; infinite where an end that it depends on is
 * infinite.
 */
export function interpolated(low: number, high: number, fraction: number): number {
  if (fraction === 0 || low === high || !Number.isFinite(low)) return low;
  return Number.isFinite(high) ? low + fraction * (high - low) : high;
}
