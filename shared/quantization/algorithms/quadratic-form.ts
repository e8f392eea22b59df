import { type MomentBlock, momentBlocks, type SecondMoments } from "../../statistics/second-moments.js";
import type { ConstantProduct } from "../graph/constant-products.js";

/**
 * Share of the mean second moment E[x²] that is added to the diagonal of E[x xᵀ], as few calibration samples
 * give a singular matrix.
 */
const DAMPING = 0.01;

/**
 * A quadratic form: a symmetric positive definite matrix [size, size] over a block of a convolution group's
 * input terms (the values that one output sums up).
 */
export interface QuadraticForm extends MomentBlock {
  readonly group: number;
  readonly matrix: Float64Array;
}

/**
 * The damped quadratic forms E[x xᵀ] per group and block of a product's input terms; moments between blocks
 * count as 0.
 *
 * @param centred whether to return covariances of x instead of E[x xᵀ]
 */
export function quadraticForms(
  { groups, terms }: Pick<ConstantProduct, "groups" | "terms">,
  { means, matrices }: SecondMoments,
  centred: boolean,
): QuadraticForm[] {
  return Array.from({ length: groups }, (_, group) =>
    momentBlocks(terms).map(({ start, size }, block): QuadraticForm => {
      const from = group * size * size;
      const matrix = Float64Array.from(matrices[block]!.subarray(from, from + size * size));
      if (centred) {
        const mean = means.subarray(group * terms + start, group * terms + start + size);
        for (let at = 0; at < matrix.length; at++) {
          matrix[at]! -= mean[Math.floor(at / size)]! * mean[at % size]!;
        }
      }
      let trace = 0;
      for (let i = 0; i < size; i++) trace += matrix[i * size + i]!;
      for (let i = 0; i < size; i++) matrix[i * size + i]! += (DAMPING * trace) / size;
      return { group, start, size, matrix };
    }),
  ).flat();
}

/** The product of the quadratic form's matrix and a vector. */
export function formTimes({ size, matrix }: QuadraticForm, vector: Float64Array): Float64Array {
  return vector.map((_, i) => dot(matrix.subarray(i * size, (i + 1) * size), vector));
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * The Cholesky factor of the quadratic form's matrix: the lower triangular L [size, size] with L Lᵀ equal to
 * it.
 */
export function lowerFactor({ size, matrix }: QuadraticForm): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const [row, other] = [lower.subarray(i * size, i * size + j), lower.subarray(j * size, j * size + j)];
      const left = matrix[i * size + j]! - dot(row, other);
      // Rounding errors can make the pivot of a term that never varies negative.
      lower[i * size + j] =
        i === j ? Math.sqrt(Math.max(left, Number.MIN_VALUE)) : left / lower[j * size + j]!;
    }
  }
  return lower;
}
