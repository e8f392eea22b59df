import type { Mode } from "../device/hardware.js";
import { levelsOf, type Width } from "../device/width.js";

/** The interval of real values that a quantizer's codes represent. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/**
 * The smallest scale of a quantizer. It leaves the scale of a bias, a product of two scales, well above the
 * smallest normal float32 (2^-126), and the reciprocal of a scale far from overflow. POT's floors are larger
 * and would round tensors to zero whose values are all below 0.001 (docs/reference/algorithms.md, "Differences
 * from POT").
 */
const SMALLEST_SCALE = 2 ** -60;
/** Smallest width of a channel's range, as a share of the widest channel's. */
const CHANNEL_FLOOR = 0.01;

/**
 * The smallest difference of a range's ends, for a number of codes; narrower ranges (a tensor of zeros has
 * width 0) are widened to it.
 */
export function narrowestRange(width: Width): number {
  return SMALLEST_SCALE * levelsOf(width);
}

/**
 * Whether values up to this magnitude would lose digits because scales have a lower limit; false where all are
 * zero, as there are none to lose.
 */
export function isTooSmall(magnitude: number, width: Width): boolean {
  return magnitude > 0 && magnitude < narrowestRange(width);
}

/** Rounds to the nearest integer, ties to even, as ONNX's QuantizeLinear does. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  if (fraction < 0.5) return floor;
  if (fraction > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Raises the largest magnitudes of channels to at least a share of the widest channel's and the narrowest
 * range.
 */
export function floorMagnitudes(magnitudes: readonly number[], width: Width): number[] {
  const widest = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const floor = Math.max(narrowestRange(width), CHANNEL_FLOOR * widest);
  return magnitudes.map((magnitude) => Math.max(magnitude, floor));
}

/**
 * Symmetric weight ranges [-M, M] per channel, for narrow codes (docs/reference/algorithms.md, "Ranges of
 * weights").
 */
export function symmetricWeightRanges(magnitudes: readonly number[], width: Width): Range[] {
  return floorMagnitudes(magnitudes, width).map((magnitude) => ({ low: -magnitude, high: magnitude }));
}

/**
 * Symmetric activation range: [0, M] for non-negative values, else [-M L/(L-2), M] with L levels, so that
 * zero falls on a code; with an odd number of levels [-M, M] already has zero on its middle code
 * (docs/reference/algorithms.md, "Ranges of activations").
 *
 * @param signed makes the range signed for non-negative values too
 */
export function symmetricActivationRange(
  min: number,
  magnitude: number,
  width: Width,
  signed = false,
): Range {
  return symmetricActivationRanges(min, [magnitude], width, signed)[0]!;
}

/** {@link symmetricActivationRange} per channel; the ranges of either all channels are signed or of none. */
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
 * Asymmetric range that contains [min, max] and in which zero falls exactly on a code: of the two ranges with
 * one end moved outwards, the wider (docs/reference/algorithms.md, "Ranges of activations"). Where zero would
 * round to the first or last code, that end becomes zero, because QuantizeLinear's zero point is a code.
 */
export function asymmetricRange(min: number, max: number, width: Width): Range {
  const range = aroundZero(min, max, width);
  return withZeroAt(roundHalfEven(zeroPosition(range, width)), range, width);
}

/** [min, max] extended to contain zero and to have at least the narrowest width. */
function aroundZero(min: number, max: number, width: Width): Range {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  const narrowest = narrowestRange(width);
  if (high === low) return { low, high: narrowest };
  const widening = Math.max(1, narrowest / (high - low));
  return { low: low * widening, high: high * widening };
}

/** The range's zero point among the unsigned codes 0 … levels - 1, before rounding. */
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
 * Asymmetric ranges of several channels with a common zero point: the mean of the channels' zero points, to
 * which each range is adapted by moving one end outwards (docs/reference/algorithms.md, "Ranges of weights").
 * The common zero point is the first or last code only if that of every channel is: otherwise channels of the
 * other sign would lose all their values.
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
 * The activation ranges of a mode, per tensor (one) or per channel, from aggregated smallest and largest
 * values. In symmetric mode the `high` ends are magnitudes, and all channels are signed if any has negative
 * values.
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

/**
 * The common range of tensors with a unified scale: the union of their ranges, with zero moved onto a code
 * again.
 */
export function unifiedRange(ranges: readonly Range[], width: Width): Range {
  const low = Math.min(...ranges.map((range) => range.low));
  const high = Math.max(...ranges.map((range) => range.high));
  if (ranges.every((range) => range.low === low && range.high === high)) return { low, high };
  return asymmetricRange(low, high, width);
}
