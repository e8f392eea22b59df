/**
 * Largest bias code that integer kernels add to their 32-bit accumulator: half of its range; the other half
 * is left for the sum of the products (at least 33,000 of them).
 */
const LARGEST_ADDED_CODE = 2 ** 30;
/**
 * Largest code of a bias that is added in float: one less than INT32's largest, so that rounding cannot
 * overflow.
 */
const LARGEST_CODE = 2 ** 31 - 2;

/**
 * The smallest weight scales at which a bias fits into its codes, whose scale is inputScale * weightScale.
 */
export function smallestWeightScales(bias: Float32Array, inputScale: number): number[] {
  return Array.from(bias, (value) => Math.abs(value) / (LARGEST_ADDED_CODE * inputScale));
}

/** A bias as INT32 codes with zero point 0 and, per channel or once, the scale inputScale * weightScale. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScales: readonly number[],
): { codes: Int32Array; scales: Float32Array } {
  const scales = Float32Array.from(
    weightScales.length === 1
      ? [weightScales[0]! * inputScale]
      : weightScales.map((scale) => scale * inputScale),
  );
  const codes = Int32Array.from(bias, (value, c) => {
    const code = Math.round(value / scales[scales.length === 1 ? 0 : c]!);
    return Math.min(LARGEST_ADDED_CODE, Math.max(-LARGEST_ADDED_CODE, code));
  });
  return { codes, scales };
}

/** Number of bits of an INT32 bias code without the sign. */
const BIAS_BITS = 31;
/** The smallest scale of a bias: the smallest normal float32. */
const SMALLEST_SCALE = 2 ** -126;

/**
 * A bias as INT32 codes that represent it practically exactly: the scale is the smallest power of two at which
 * the largest value fits, so that values down to 1/128 of the largest are exact and smaller ones have an error
 * of at most 2^-32 of it. For simulated ops: ONNX Runtime 1.30 would quantize a float bias next to dequantized
 * operands with the product of their scales, which with 16-bit codes is so small that the bias does not fit.
 */
export function exactBias(bias: Float32Array): { codes: Int32Array; scale: number } {
  const largest = bias.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.max(SMALLEST_SCALE, 2 ** (Math.floor(Math.log2(largest)) + 1 - BIAS_BITS));
  return {
    scale,
    codes: Int32Array.from(bias, (value) =>
      Math.min(LARGEST_CODE, Math.max(-LARGEST_CODE, Math.round(value / scale))),
    ),
  };
}
