/** The widest bias code; one less than 32 bits hold, so that rounding cannot pass the end. */
const LARGEST_CODE = 2 ** 31 - 2;

/** The weight scales below which a bias would not fit into 32 bits, whose scale is inputScale x weightScale. */
export function smallestWeightScales(bias: Float32Array, inputScale: number): number[] {
  return Array.from(bias, (value) => Math.abs(value) / (LARGEST_CODE * inputScale));
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
    return Math.min(LARGEST_CODE, Math.max(-LARGEST_CODE, code));
  });
  return { codes, scales };
}
