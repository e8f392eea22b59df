/** Sums and normal probabilities in the log domain, where products of many small probabilities stay finite. */

/** log(sum(exp(values))); -Infinity for an empty sum. */
export function logSumExp(values: ArrayLike<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    largest = Math.max(largest, values[i]!);
  }
  if (!Number.isFinite(largest)) {
    return largest;
  }
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += Math.exp(values[i]! - largest);
  }
  return largest + Math.log(sum);
}
