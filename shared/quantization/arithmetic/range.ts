import type { Mode } from "../device/hardware.js";
import { levelsOf, type Width } from "../device/width.js";

/** An interval of real values that a quantizer's codes cover. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/**
 * The smallest scale. The scale of a bias is the product of two scales, which is still a normal float32 (2^-126 at the
 * least) when an algorithm shrinks both of them somewhat, and the reciprocal of a scale is far from overflow. POT's own
 * floors (reference section 4.6) leave nothing of tensors whose values are all below a thousandth.
 */
const SMALLEST_SCALE = 2 ** -60;
/** No channel's range may be narrower than this share of the widest channel's. */
const CHANNEL_FLOOR = 0.01;

/** The width below which a range is widened: there is nothing in a tensor that is always zero. */
export function narrowestRange(width: Width): number {
  return SMALLEST_SCALE * levelsOf(width);
}

/** Rounds to the nearest integer, ties to even, as ONNX's QuantizeLinear does. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction < 0.5) return floor;
  if (fraction > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Largest magnitudes, raised to the share of the widest channel and to the narrowest range; one value a channel. */
export function floorMagnitudes(magnitudes: readonly number[], width: Width): number[] {
  const widest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const floor = Math.max(narrowestRange(width), CHANNEL_FLOOR * widest);
  return magnitudes.map((magnitude) => Math.max(magnitude, floor));
}

/** Symmetric, narrow weight ranges: [-M, M] a channel (reference section 4.6). */
export function symmetricWeightRanges(magnitudes: readonly number[], width: Width): Range[] {
  return floorMagnitudes(magnitudes, width).map((magnitude) => ({ low: -magnitude, high: magnitude }));
}

/**
 * Symmetric activation range: [0, M] when nothing negative was seen, else [-M L/(L-2), M] with L levels, so that
 * zero falls on a code (reference section 4.6); of an odd number of levels the middle one is zero as it is.
 *
 * @param signed also where nothing negative was seen
 */
export function symmetricActivationRange(
  min: number,
  magnitude: number,
  width: Width,
  signed = false,
): Range {
  return symmetricActivationRanges(min, [magnitude], width, signed)[0]!;
}

/** The same with a magnitude a channel; whether codes are signed is decided for all of them together. */
function symmetricActivationRanges(
  min: number,
  magnitudes: readonly number[],
  width: Width,
  signed = false,
): Range[] {
  const highs = floorMagnitudes(magnitudes, width);
  if (min >= 0 && !signed) return highs.map((high) => ({ low: 0, high }));
  const levels = levelsOf(width);
  return highs.map((high) => ({ low: levels % 2 === 0 ? (-high * levels) / (levels - 2) : -high, high }));
}

/**
 * Asymmetric range around [min, max] in which zero falls exactly on a code: of the two ways to move one end
 * outwards, the wider (reference section 4.6). Where zero would round to the first or last code, that end
 * becomes zero, because QuantizeLinear rounds the zero point to a code.
 */
export function asymmetricRange(min: number, max: number, width: Width): Range {
  const range = aroundZero(min, max, width);
  return withZeroAt(roundHalfEven(zeroPosition(range, width)), range, width);
}

/** Widened so far that it holds zero, and to the narrowest range. */
function aroundZero(min: number, max: number, width: Width): Range {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const narrowest = narrowestRange(width);
  if (high === low) return { low, high: narrowest };
  const widening = Math.max(1, narrowest / (high - low));
  return { low: low * widening, high: high * widening };
}

/** Where zero lies among the unsigned codes, before rounding. */
function zeroPosition({ low, high }: Range, width: Width): number {
  return (-low * (levelsOf(width) - 1)) / (high - low);
}

/** The range with one end moved so that zero falls on the given code. */
function withZeroAt(zero: number, { low, high }: Range, width: Width): Range {
  const top = levelsOf(width) - 1;
  if (zero === 0) return { low: 0, high };
  if (zero === top) return { low, high: 0 };
  const movedLow = (zero / (zero - top)) * high;
  const movedHigh = ((zero - top) / zero) * low;
  return high - movedLow > movedHigh - low ? { low: movedLow, high } : { low, high: movedHigh };
}

/**
 * Asymmetric ranges of several channels around one zero point: the mean of the channels' own, each channel's range then
 * moved outwards at one end to fit it (reference section 4.6, Unified zero point). It lies on the first
 * or last code only where every channel's own does: a channel of the other sign would lose all its values.
 */
export function unifiedZeroPointRanges(ranges: readonly Range[], width: Width): Range[] {
  const wide = ranges.map(({ low, high }) => aroundZero(low, high, width));
  const zeros = wide.map((range) => zeroPosition(range, width));
  const mean = roundHalfEven(zeros.reduce((sum, zero) => sum + zero, 0) / zeros.length);
  const own = zeros.map(roundHalfEven);
  const top = levelsOf(width) - 1;
  const lowest = own.every((zero) => zero === 0) ? 0 : 1;
  const highest = own.every((zero) => zero === top) ? top : top - 1;
  const zero = Math.min(highest, Math.max(lowest, mean));
  return wide.map((range) => withZeroAt(zero, range, width));
}

/**
 * The activation ranges of a mode, one in all or one a channel, from aggregated smallest and largest values; in symmetric
 * mode the upper ends are magnitudes, and the codes of all channels are signed where anything below zero was seen.
 */
export function activationRanges(mode: Mode, ends: readonly Range[], width: Width, signed = false): Range[] {
  switch (mode) {
    case "symmetric": {
      const lowest = ends.reduce((least, { low }) => Math.min(least, low), Number.POSITIVE_INFINITY);
      const magnitudes = ends.map(({ high }) => Math.max(high, 0));
      return symmetricActivationRanges(lowest, magnitudes, width, signed);
    }
    case "asymmetric":
      return ends.map(({ low, high }) => asymmetricRange(low, high, width));
  }
}

/** One range for all members of a unified group: the widest ends, zero moved onto a code again. */
export function unifiedRange(ranges: readonly Range[], width: Width): Range {
  const low = Math.min(...ranges.map((range) => range.low));
  const high = Math.max(...ranges.map((range) => range.high));
  if (ranges.every((range) => range.low === low && range.high === high)) return { low, high };
  return asymmetricRange(low, high, width);
}
