import { type Affine, dequantize } from "../arithmetic/affine.js";
import type { CodeLimits } from "../rewrite/weight-codes.js";
import { dot, formTimes, lowerFactor, type QuadraticForm } from "./quadratic-form.js";

/** Sweeps end when nothing moves, after a dozen or so; errors only shrink, so that this bound is never a loss. */
const MOST_SWEEPS = 50;

/** Codes of weights w with errors e, and what these are worth in a form H. */
export interface ValuedCodes {
  readonly codes: Int32Array;
  /** e H eᵀ */
  readonly error: number;
  /** w H eᵀ: what the product with the codes falls short of going along with the float one. */
  readonly shortfall: number;
}

/** Looks for codes of least error in one form. */
export class CodeSearch {
  readonly #lower: Float64Array;

  constructor(readonly form: QuadraticForm) {
    this.#lower = lowerFactor(form);
  }

  /** What given codes are worth. */
  value(weights: Float64Array, codes: Int32Array, affine: Affine): ValuedCodes {
    const errors = weights.map((weight, i) => weight - dequantize(codes[i]!, affine));
    const slope = formTimes(this.form, errors);
    return { codes, error: dot(errors, slope), shortfall: dot(weights, slope) };
  }

  /**
   * With H = L Lᵀ, the error is the sum of the squares of e L, of which the j-th depends on the terms from j on: from the
   * last term to the first, each code takes up what those behind it have left in the j-th (the error feedback of
   * GPTQ, Frantar et al. 2022). From there codes move one at a time to where the error is least with the others held, until
   * none moves (cyclic coordinate descent, Behdin et al. 2023, "QuantEase").
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
        // Between two codes as good as each other it would go to and fro.
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
