/**
 * The widest code of a bias that integer kernels add to their accumulator of 32 bits: half of what that holds, and the
 * other half for the sum of the products (33,000 of them at the least).
 */
const LARGEST_ADDED_CODE = 2 ** 30;
/** The widest code of a bias that is added in float; one less than 32 bits hold, so that rounding cannot pass the end. */
const LARGEST_CODE = 2 ** 31 - 2;

/** The weight scales below which a bias would not fit into its codes, whose scale is inputScale x weightScale. */
export function smallestWeightScales(bias: Float32Array, inputScale: number): number[] {
  return Array.from(bias, (value) => Math.abs(value) / (LARGEST_ADDED_CODE * inputScale));
}

/** A bias as INT32 codes with zero point 0. */
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

/** One bit for the sign. */
const BIAS_BITS = 31;
/** The smallest normal float32. */
const SMALLEST_SCALE = 2 ** -126;

/**
 * A bias as INT32 codes that keep it to the last digit: the scale is the power of two with which the largest value
 * just fits, so that values down to 1/128 of it lose nothing, and smaller ones 2^-32 of it at most. For ops in float
 * arithmetic: a float bias beside dequantized operands ONNX Runtime 1.30 quantizes itself, with the product of their
 * scales, which 16-bit codes make so small that the bias does not fit (resnet20: accuracy .66 instead of .81).
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
