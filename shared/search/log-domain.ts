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

/** log(exp(a) + exp(b)). */
export function logAddExp(a: number, b: number): number {
  const larger = Math.max(a, b);
  return Number.isFinite(larger) ? larger + Math.log1p(Math.exp(Math.min(a, b) - larger)) : larger;
}

/** log(exp(a) - exp(b)) for a >= b. */
export function logSubtractExp(a: number, b: number): number {
  return b === Number.NEGATIVE_INFINITY ? a : a + Math.log(-Math.expm1(b - a));
}
