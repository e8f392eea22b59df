import { type Range, roundHalfEven } from "./range.js";

/** The parameters of QuantizeLinear and DequantizeLinear for one tensor or channel: x = scale (code - zeroPoint). */
export interface Affine {
  /** A float32 value, as the model stores it. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * The unsigned codes 0 to 2^bits - 1 laid over a range. A signed symmetric range gets the middle code as its
 * zero point: the numbers are those of signed codes around 0, and ONNX Runtime's fusions want one type on both
 * sides of an operator.
 */
export function unsignedAffine(range: Range, bits: number): Affine {
  const top = 2 ** bits - 1;
  const scale = Math.fround((range.high - range.low) / top);
  const zeroPoint = Math.min(top, Math.max(0, roundHalfEven(-range.low / scale)));
  return { scale, zeroPoint };
}

/**
 * The signed codes -2^(bits-1) to 2^(bits-1) - 1 laid over a range: those of {@link unsignedAffine}, moved down by half
 * their number.
 */
export function signedAffine(range: Range, bits: number): Affine {
  const { scale, zeroPoint } = unsignedAffine(range, bits);
  return { scale, zeroPoint: zeroPoint - 2 ** (bits - 1) };
}

/** The narrow signed codes -(2^(bits-1) - 1) to 2^(bits-1) - 1 laid over [-M, M]. */
export function narrowSignedAffine(range: Range, bits: number): Affine {
  return { scale: Math.fround(range.high / (2 ** (bits - 1) - 1)), zeroPoint: 0 };
}

/** The range that the codes 0 to 2^bits - 1 really cover. */
export function representableRange({ scale, zeroPoint }: Affine, bits: number): Range {
  return { low: -zeroPoint * scale, high: (2 ** bits - 1 - zeroPoint) * scale };
}

/** What QuantizeLinear gives for x: nearest code, ties to even, saturated to [lowest, highest]. */
export function quantize(x: number, { scale, zeroPoint }: Affine, lowest: number, highest: number): number {
  const code = roundHalfEven(Math.fround(x / scale)) + zeroPoint;
  return Math.min(highest, Math.max(lowest, code));
}

export function dequantize(code: number, { scale, zeroPoint }: Affine): number {
  return Math.fround((code - zeroPoint) * scale);
}
