import type { Work } from "./incremental-work.js";
import { dot } from "./vectors.js";

/** Lower limit of a squared pivot (diagonal element of the factor); smaller values are rounding errors. */
const LEAST_PIVOT = 1e-10;

/**
 * Cholesky factor L of a symmetric positive definite matrix A = L L' that grows one row at a time: one more
 * observation costs n² operations instead of n³. Rows are packed: row i begins at i (i + 1) / 2.
 */
export class GrowingCholesky {
  #rows = new Float64Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param row the new row of the factorized matrix A up to and including its diagonal element */
  append(row: ArrayLike<number>): void {
    const n = this.#size;
    const start = rowStart(n);
    if (start + n + 1 > this.#rows.length) {
      const grown = new Float64Array(2 * (start + n + 1));
      grown.set(this.#rows.subarray(0, start));
      this.#rows = grown;
    }
    const rows = this.#rows;
    let pivot = row[n]!;
    for (let j = 0; j < n; j++) {
      const own = rowStart(j);
      const element = (row[j]! - dot(rows, own, rows, start, j)) / rows[own + j]!;
      rows[start + j] = element;
      pivot -= element * element;
    }
    rows[start + n] = Math.sqrt(Math.max(pivot, LEAST_PIVOT));
    this.#size = n + 1;
  }

  /** Removes all rows of the factor from index `size` on. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size);
  }

  /** The diagonal element of the factor L in this row. */
  pivot(row: number): number {
    return this.#rows[rowStart(row) + row]!;
  }

  /** A copy of the elements of a row of the factor L from `column` up to and including the diagonal. */
  row(row: number, column = 0): Float64Array {
    const start = rowStart(row);
    return this.#rows.slice(start + column, start + row + 1);
  }

  /** The solution x of A x = b, where A = L L' is the factorized matrix. */
  solve(b: ArrayLike<number>): Float64Array {
    const rows = this.#rows;
    const n = this.#size;
    const x = Float64Array.from(b);
    for (let i = 0; i < n; i++) {
      const start = rowStart(i);
      x[i] = (x[i]! - dot(rows, start, x, 0, i)) / rows[start + i]!;
    }
    this.#substituteBack(x, n);
    return x;
  }

  /** Weights of the earlier rows (variables with covariance A) in the best linear prediction of the last one. */
  lastRowWeights(): Float64Array {
    const n = this.#size - 1;
    const start = rowStart(n);
    const x = this.#rows.slice(start, start + n);
    this.#substituteBack(x, n);
    return x;
  }

  /** The lower triangle of the inverse of the factorized matrix A = L L', packed like the rows of L. */
  *invert(): Work<Float64Array> {
    const rows = this.#rows.slice(0, rowStart(this.#size));
    const n = this.#size;
    // columns[j] is column j of the inverse of L from the diagonal on, so that sums run over contiguous
    // memory.
    const columns = Array.from({ length: n }, (_, j) => new Float64Array(n - j));
    for (let j = 0; j < n; j++) {
      const column = columns[j]!;
      column[0] = 1 / rows[rowStart(j) + j]!;
      for (let i = j + 1; i < n; i++) {
        const start = rowStart(i);
        column[i - j] = -dot(rows, start + j, column, 0, i - j) / rows[start + i]!;
      }
      yield ((n - j) * (n - j)) / 2;
    }
    const inverse = new Float64Array(rowStart(n));
    for (let i = 0; i < n; i++) {
      const start = rowStart(i);
      for (let j = 0; j <= i; j++) {
        inverse[start + j] = dot(columns[i]!, 0, columns[j]!, i - j, n - i);
      }
      yield i * (n - i);
    }
    return inverse;
  }

  /** Replaces the first n elements b of x by the solution of L' y = b, where L has its first n rows only. */
  #substituteBack(x: Float64Array, n: number): void {
    const rows = this.#rows;
    // Works by columns of L', which are contiguous rows of L; four at a time, to read and write x less often.
    let i = n - 1;
    for (; i >= 3; i -= 4) {
      const [r0, r1, r2, r3] = [rowStart(i), rowStart(i - 1), rowStart(i - 2), rowStart(i - 3)];
      const x0 = x[i]! / rows[r0 + i]!;
      const x1 = (x[i - 1]! - rows[r0 + i - 1]! * x0) / rows[r1 + i - 1]!;
      const x2 = (x[i - 2]! - rows[r0 + i - 2]! * x0 - rows[r1 + i - 2]! * x1) / rows[r2 + i - 2]!;
      const beside = x[i - 3]! - rows[r0 + i - 3]! * x0 - rows[r1 + i - 3]! * x1 - rows[r2 + i - 3]! * x2;
      const x3 = beside / rows[r3 + i - 3]!;
      for (let k = 0; k < i - 3; k++) {
        x[k] = x[k]! - rows[r0 + k]! * x0 - rows[r1 + k]! * x1 - rows[r2 + k]! * x2 - rows[r3 + k]! * x3;
      }
      x[i] = x0;
      x[i - 1] = x1;
      x[i - 2] = x2;
      x[i - 3] = x3;
    }
    for (; i >= 0; i--) {
      const start = rowStart(i);
      const value = x[i]! / rows[start + i]!;
      x[i] = value;
      for (let k = 0; k < i; k++) {
        x[k]! -= rows[start + k]! * value;
      }
    }
  }
}

function rowStart(row: number): number {
  return (row * (row + 1)) / 2;
}
