/** Smallest pivot that is trusted; what lies below is rounding. */
const LEAST_PIVOT = 1e-10;

/**
 * Cholesky factor L of a symmetric positive definite matrix A = L L' that grows by a row at a time, so that one
 * more observation costs n² and not n³. Rows are packed: row i begins at i (i + 1) / 2.
 */
export class GrowingCholesky {
  #rows = new Float64Array(64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param row A's new row: its products with the rows before and, last, its diagonal element */
  append(row: ArrayLike<number>): void {
    const n = this.#size;
    const start = (n * (n + 1)) / 2;
    if (start + n + 1 > this.#rows.length) {
      const grown = new Float64Array(2 * (start + n + 1));
      grown.set(this.#rows.subarray(0, start));
      this.#rows = grown;
    }
    const rows = this.#rows;
    let pivot = row[n]!;
    for (let j = 0; j < n; j++) {
      const rowStart = (j * (j + 1)) / 2;
      let sum = row[j]!;
      for (let k = 0; k < j; k++) {
        sum -= rows[rowStart + k]! * rows[start + k]!;
      }
      const element = sum / rows[rowStart + j]!;
      rows[start + j] = element;
      pivot -= element * element;
    }
    rows[start + n] = Math.sqrt(Math.max(pivot, LEAST_PIVOT));
    this.#size = n + 1;
  }

  copyFrom(other: GrowingCholesky): void {
    this.#rows = other.#rows.slice();
    this.#size = other.#size;
  }

  /** Forgets all rows from `size` on. */
  truncate(size: number): void {
    this.#size = Math.min(this.#size, size);
  }

  /** The solution x of A x = b. */
  solve(b: ArrayLike<number>): Float64Array {
    const rows = this.#rows;
    const n = this.#size;
    const x = Float64Array.from(b);
    for (let i = 0; i < n; i++) {
      const start = (i * (i + 1)) / 2;
      let sum = x[i]!;
      for (let k = 0; k < i; k++) {
        sum -= rows[start + k]! * x[k]!;
      }
      x[i] = sum / rows[start + i]!;
    }
    // Backwards by columns of L', which are rows of L and therefore contiguous.
    for (let i = n - 1; i >= 0; i--) {
      const start = (i * (i + 1)) / 2;
      const value = x[i]! / rows[start + i]!;
      x[i] = value;
      for (let k = 0; k < i; k++) {
        x[k]! -= rows[start + k]! * value;
      }
    }
    return x;
  }

  /** The lower triangle of the inverse of A, packed like the factor. */
  inverse(): Float64Array {
    const rows = this.#rows;
    const n = this.#size;
    // Row j of `columns` is column j of the inverse of L from its diagonal on, so that sums run over neighbours.
    const columns = Array.from({ length: n }, (_, j) => new Float64Array(n - j));
    for (let j = 0; j < n; j++) {
      const column = columns[j]!;
      for (let i = j; i < n; i++) {
        const start = (i * (i + 1)) / 2;
        let sum = i === j ? 1 : 0;
        for (let k = j; k < i; k++) {
          sum -= rows[start + k]! * column[k - j]!;
        }
        column[i - j] = sum / rows[start + i]!;
      }
    }
    const inverse = new Float64Array((n * (n + 1)) / 2);
    for (let i = 0; i < n; i++) {
      const columnI = columns[i]!;
      for (let j = 0; j <= i; j++) {
        const columnJ = columns[j]!;
        let sum = 0;
        for (let k = i; k < n; k++) {
          sum += columnI[k - i]! * columnJ[k - j]!;
        }
        inverse[(i * (i + 1)) / 2 + j] = sum;
      }
    }
    return inverse;
  }
}
