/**
 * The inner loops of the additive model. Each is unrolled by four: with a single running sum every addition
 * waits for the one before, which doubles the time.
 */

/** Dot product of `length` values of `a` from `aStart` on and of `b` from `bStart` on. */
export function dot(
  a: Float64Array,
  aStart: number,
  b: Float64Array,
  bStart: number,
  length: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < length; k += 4) {
    s0 += a[aStart + k]! * b[bStart + k]!;
    s1 += a[aStart + k + 1]! * b[bStart + k + 1]!;
    s2 += a[aStart + k + 2]! * b[bStart + k + 2]!;
    s3 += a[aStart + k + 3]! * b[bStart + k + 3]!;
  }
  for (; k < length; k++) {
    s0 += a[aStart + k]! * b[bStart + k]!;
  }
  return s0 + s1 + (s2 + s3);
}

/** Adds `factor` times `vector` to `target`, in place. */
export function addScaled(target: Float64Array, factor: number, vector: Float64Array): void {
  let k = 0;
  for (; k + 3 < target.length; k += 4) {
    target[k]! += factor * vector[k]!;
    target[k + 1]! += factor * vector[k + 1]!;
    target[k + 2]! += factor * vector[k + 2]!;
    target[k + 3]! += factor * vector[k + 3]!;
  }
  for (; k < target.length; k++) {
    target[k]! += factor * vector[k]!;
  }
}

/** The linear combination of vectors of length `length` with these factors. */
export function combine(
  factors: ArrayLike<number>,
  vectors: readonly Float64Array[],
  length: number,
): Float64Array {
  const sum = new Float64Array(length);
  let i = 0;
  for (; i + 3 < factors.length; i += 4) {
    const [f0, f1, f2, f3] = [factors[i]!, factors[i + 1]!, factors[i + 2]!, factors[i + 3]!];
    const [v0, v1, v2, v3] = [vectors[i]!, vectors[i + 1]!, vectors[i + 2]!, vectors[i + 3]!];
    for (let k = 0; k < length; k++) {
      sum[k]! += f0 * v0[k]! + f1 * v1[k]! + (f2 * v2[k]! + f3 * v3[k]!);
    }
  }
  for (; i < factors.length; i++) {
    addScaled(sum, factors[i]!, vectors[i]!);
  }
  return sum;
}

/** Sum of a table's values at these indices. */
export function sumAt(table: Float64Array, indices: Int32Array): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < indices.length; i += 4) {
    s0 += table[indices[i]!]!;
    s1 += table[indices[i + 1]!]!;
    s2 += table[indices[i + 2]!]!;
    s3 += table[indices[i + 3]!]!;
  }
  for (; i < indices.length; i++) {
    s0 += table[indices[i]!]!;
  }
  return s0 + s1 + (s2 + s3);
}

/** Adds a value to a table at each of these indices, which must be distinct. */
export function addAt(table: Float64Array, indices: Int32Array, value: number): void {
  let i = 0;
  for (; i + 3 < indices.length; i += 4) {
    const p0 = indices[i]!;
    const p1 = indices[i + 1]!;
    const p2 = indices[i + 2]!;
    const p3 = indices[i + 3]!;
    table[p0]! += value;
    table[p1]! += value;
    table[p2]! += value;
    table[p3]! += value;
  }
  for (; i < indices.length; i++) {
    table[indices[i]!]! += value;
  }
}
