/**
 * Where the q-quantile of n sorted values lies: between the values at `below` and `below + 1` of the ascending
 * order, `fraction` of the way (numpy's linear interpolation).
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

/** The value a fraction of the way from one to another; infinite where one of them is, as there is no way from it. */
export function interpolated(low: number, high: number, fraction: number): number {
  if (fraction === 0 || low === high || !Number.isFinite(low)) return low;
  return Number.isFinite(high) ? low + fraction * (high - low) : high;
}
