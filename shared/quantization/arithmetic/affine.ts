import { levelsOf, type Width } from "../device/width.js";
import { type Range, roundHalfEven } from "./range.js";

/**
 * Parameters of QuantizeLinear and DequantizeLinear for one tensor or channel: x = scale * (code -
 * zeroPoint).
 */
export interface Affine {
  /** The step between codes in real values, rounded to float32, as the model stores it. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * Scale and zero point that map the unsigned codes 0 … levels - 1 onto a range. A symmetric range around 0
 * gets the middle code as its zero point; unsigned codes are used there too, because ONNX Runtime's fusions
 * need the same code type for the inputs and the output of an op.
 */
export function unsignedAffine(range: Range, width: Width): Affine {
  const top = levelsOf(width) - 1;
  const scale = Math.fround((range.high - range.low) / top);
  const zeroPoint = Math.min(top, Math.max(0, roundHalfEven(-range.low / scale)));
  return { scale, zeroPoint };
}

/** As {@link unsignedAffine} for signed codes: the zero point is lower by half the number of levels. */
export function signedAffine(range: Range, width: Width): Affine {
  const { scale, zeroPoint } = unsignedAffine(range, width);
  return { scale, zeroPoint: zeroPoint + lowestSignedCode(width) };
}

/** Smallest signed code of a width: -2^(bits-1) where all codes of the bits are used. */
export function lowestSignedCode(width: Width): number {
  return -Math.floor(levelsOf(width) / 2);
}

/** Scale and zero point (0) that map the narrow signed codes -N … N onto a range [-M, M]. */
export function narrowSignedAffine(range: Range, width: Width): Affine {
  return { scale: Math.fround(range.high / largestNarrowCode(width)), zeroPoint: 0 };
}

/** Largest code N of the narrow signed codes -N … N: 2^(bits-1) - 1 where all codes of the bits are used. */
export function largestNarrowCode(width: Width): number {
  return Math.floor((levelsOf(width) - 1) / 2);
}

/**
 * Largest signed code when only half the code range is used: 64 for 8 bits. The sum of two products with
 * activations, 2 · 64 · 255, then fits into the 16-bit intermediate of x86 processors without VNNI.
 */
export function largestHalvedCode(width: Width): number {
  return Math.ceil(largestNarrowCode(width) / 2);
}

/** The range of real values that the unsigned codes represent after rounding of scale and zero point. */
export function representableRange({ scale, zeroPoint }: Affine, width: Width): Range {
  return { low: -zeroPoint * scale, high: (levelsOf(width) - 1 - zeroPoint) * scale };
}

/** The same scale and zero point with the scale raised to at least `smallest`. */
export function withSmallestScale(affine: Affine, smallest = 0): Affine {
  return affine.scale >= smallest ? affine : { ...affine, scale: Math.fround(smallest * (1 + 1e-6)) };
}

/** The code that QuantizeLinear gives for x: rounded half to even and saturated to [lowest, highest]. */
export function quantize(x: number, { scale, zeroPoint }: Affine, lowest: number, highest: number): number {
  const code = roundHalfEven(Math.fround(x / scale)) + zeroPoint;
  return Math.min(highest, Math.max(lowest, code));
}

/** The real value that DequantizeLinear gives for a code, in float32. */
export function dequantize(code: number, { scale, zeroPoint }: Affine): number {
  return Math.fround((code - zeroPoint) * scale);
}
