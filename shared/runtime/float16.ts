/**
 * Conversion of IEEE 754 binary16, which has no typed array before Node 24: values are bit patterns in a
 * Uint16Array.
 */

const bits = new DataView(new ArrayBuffer(4));

const EXPONENT_BIAS_DIFFERENCE = 127 - 15;
const LARGEST_EXPONENT = 31;
const INFINITY = 0x7c00;
const QUIET_NAN = 0x7e00;

/** Bit pattern of the nearest half-precision number, ties to even; overflow becomes infinity. */
export function float16Bits(value: number): number {
  bits.setFloat32(0, value);
  const word = bits.getUint32(0);
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - EXPONENT_BIAS_DIFFERENCE;
  const mantissa = word & 0x7f_ffff;
  if (Number.isNaN(value)) return sign | QUIET_NAN;
  if (exponent >= LARGEST_EXPONENT) return sign | INFINITY;
  // A carry out of the mantissa increments the exponent, which is the correct rounding to the next power of
  // two.
  if (exponent > 0) return sign | roundShift((exponent << 23) | mantissa, 13);
  if (exponent < -10) return sign;
  return sign | roundShift(0x80_0000 | mantissa, 14 - exponent);
}

function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** The value of a half-precision bit pattern. */
export function float16Value(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >>> 10) & 0x1f;
  const mantissa = pattern & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === LARGEST_EXPONENT) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
