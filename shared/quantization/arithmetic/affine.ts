import { levelsOf, type Width } from "../device/width.js";
import { type Range, roundHalfEven } from "./range.js";

/** The parameters of QuantizeLinear and DequantizeLinear for one tensor or channel: x = scale (code - zeroPoint). */
export interface Affine {
  /** A float32 value, as the model stores it. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * The unsigned codes of a width, from 0 on, laid over a range. A signed symmetric range gets the middle code as its
 * zero point: the numbers are those of signed codes around 0, and ONNX Runtime's fusions want one type on both
 * sides of an operator.
 */
export function unsignedAffine(range: Range, width: Width): Affine {
  const top = levelsOf(width) - 1;
  const scale = Math.fround((range.high - range.low) / top);
  const zeroPoint = Math.min(top, Math.max(0, roundHalfEven(-range.low / scale)));
  return { scale, zeroPoint };
}

/** The signed codes of a width laid over a range: those of {@link unsignedAffine}, moved down by half their number. */
export function signedAffine(range: Range, width: Width): Affine {
  const { scale, zeroPoint } = unsignedAffine(range, width);
  return { scale, zeroPoint: zeroPoint + lowestSignedCode(width) };
}

/** -2^(bits-1) where all codes of a width are there. */
export function lowestSignedCode(width: Width): number {
  return -Math.floor(levelsOf(width) / 2);
}

/** The narrow signed codes -N to N of a width laid over [-M, M]. */
export function narrowSignedAffine(range: Range, width: Width): Affine {
  return { scale: Math.fround(range.high / largestNarrowCode(width)), zeroPoint: 0 };
}

/** 2^(bits-1) - 1 where all codes of a width are there. */
export function largestNarrowCode(width: Width): number {
  return Math.floor((levelsOf(width) - 1) / 2);
}

/**
 * 64 where all codes of 8 bits are there: 2 · 64 · 255, the sum of two products with activations, fits into the 16 bits that
 * x86 processors without VNNI add it in.
 */
export function largestHalvedCode(width: Width): number {
  return Math.ceil(largestNarrowCode(width) / 2);
}

/** The range that the unsigned codes of a width really cover. */
export function representableRange({ scale, zeroPoint }: Affine, width: Width): Range {
  return { low: -zeroPoint * scale, high: (levelsOf(width) - 1 - zeroPoint) * scale };
}

/** The same with a scale that is no smaller than asked for. */
export function withSmallestScale(affine: Affine, smallest = 0): Affine {
  return affine.scale >= smallest ? affine : { ...affine, scale: Math.fround(smallest * (1 + 1e-6)) };
}

/** What QuantizeLinear gives for x: nearest code, ties to even, saturated to [lowest, highest]. */
export function quantize(x: number, { scale, zeroPoint }: Affine, lowest: number, highest: number): number {
  const code = roundHalfEven(Math.fround(x / scale)) + zeroPoint;
  return Math.min(highest, Math.max(lowest, code));
}

export function dequantize(code: number, { scale, zeroPoint }: Affine): number {
  return Math.fround((code - zeroPoint) * scale);
}
