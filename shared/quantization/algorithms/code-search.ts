import { type Affine, dequantize } from "../arithmetic/affine.js";
import type { CodeLimits } from "../rewrite/weight-codes.js";
import { dot, formTimes, lowerFactor, type QuadraticForm } from "./quadratic-form.js";

/**
 * Upper limit of the sweeps of coordinate descent over the codes: they end when no code changes, usually after
 * about a dozen.
 */
const MOST_SWEEPS = 50;

/** Codes of weights w, and the output error that their rounding errors e cause, by a quadratic form H = E[x xᵀ]. */
export interface ValuedCodes {
  readonly codes: Int32Array;
  /** e H eᵀ: the mean squared error of the output. */
  readonly error: number;
  /**
   * w H eᵀ: by how much less the codes' output is correlated with the float output than the float output with
   * itself.
   */
  readonly shortfall: number;
}

/** Searches codes of least output error e H eᵀ, for one quadratic form H. */
export class CodeSearch {
  readonly #lower: Float64Array;

  constructor(readonly form: QuadraticForm) {
    this.#lower = lowerFactor(form);
  }

  /** Evaluates given codes: their output error and the shortfall of their correlation with the float output. */
  value(weights: Float64Array, codes: Int32Array, affine: Affine): ValuedCodes {
    const errors = weights.map((weight, i) => weight - dequantize(codes[i]!, affine));
    const slope = formTimes(this.form, errors);
    return { codes, error: dot(errors, slope), shortfall: dot(weights, slope) };
  }

  /**
   * Searches codes of least error. With H = L Lᵀ, the error is the sum of the squares of e L, whose j-th
   * element depends on the terms from j on. From the last term to the first, each code compensates the error
   * that the later codes leave in element j (the error feedback of GPTQ, Frantar et al. 2022). Then each code
   * in turn moves to where the error is least with the others fixed, until none moves (cyclic coordinate
   * descent, Behdin et al. 2023, "QuantEase").
   */
  search(weights: Float64Array, affine: Affine, limits: CodeLimits): ValuedCodes {
    return this.#descend(weights, this.#withErrorsFedBack(weights, affine, limits), affine, limits);
  }

  #withErrorsFedBack(weights: Float64Array, affine: Affine, limits: CodeLimits): Int32Array {
    const { size } = this.form;
    const codes = new Int32Array(size);
    const left = new Float64Array(size);
    for (let j = size - 1; j >= 0; j--) {
      const row = this.#lower.subarray(j * size, j * size + j + 1);
      const wished = weights[j]! + left[j]! / row[j]!;
      codes[j] = within(limits, Math.round(wished / affine.scale) + affine.zeroPoint);
      const error = weights[j]! - dequantize(codes[j]!, affine);
      for (let i = 0; i < j; i++) left[i]! += row[i]! * error;
    }
    return codes;
  }

  #descend(weights: Float64Array, from: Int32Array, affine: Affine, limits: CodeLimits): ValuedCodes {
    const { size, matrix } = this.form;
    const codes = from.slice();
    const slope = formTimes(
      this.form,
      weights.map((weight, i) => weight - dequantize(codes[i]!, affine)),
    );
    for (let sweep = 0, moved = true; moved && sweep < MOST_SWEEPS; sweep++) {
      moved = false;
      for (let i = 0; i < size; i++) {
        const curvature = matrix[i * size + i]!;
        if (curvature <= 0) continue;
        const code = within(limits, codes[i]! + Math.round(slope[i]! / (curvature * affine.scale)));
        const step = (code - codes[i]!) * affine.scale;
        // Moves without gain are skipped, as two equally good codes would alternate forever.
        if (step * (2 * slope[i]! - step * curvature) <= 0) continue;
        moved = true;
        codes[i] = code;
        for (let j = 0; j < size; j++) slope[j]! -= step * matrix[i * size + j]!;
      }
    }
    return this.value(weights, codes, affine);
  }
}

function within({ lowest, highest }: CodeLimits, code: number): number {
  return Math.min(highest, Math.max(lowest, code));
}
