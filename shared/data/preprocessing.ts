import { DataError } from "../basics/errors.js";
import {
  allocateElements,
  asNumbers,
  type Elements,
  type ElementType,
  integerRange,
  isFloating,
} from "../runtime/element-type.js";
import { float16Bits } from "../runtime/float16.js";

/**
 * Normalization by `(x * scale - mean[c]) / std[c]` per channel c; a single `mean` or `std` applies to all
 * channels.
 */
export interface Normalization {
  readonly scale: number;
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
}

/** Layout of channels in a sample: element k belongs to channel `floor(k / inner) % channels`. */
export interface ChannelGeometry {
  readonly channels: number;
  readonly inner: number;
}

/** Whether the normalization changes no value. */
export function isIdentity({ scale, mean = [], std = [] }: Normalization): boolean {
  return scale === 1 && mean.every((value) => value === 0) && std.every((value) => value === 1);
}

/** Channel layout of a shape with the sample on axis 0 and the channel on axis 1. */
export function channelsFirst(shape: readonly number[]): ChannelGeometry {
  const channels = shape[1] ?? 1;
  return { channels, inner: shape.slice(2).reduce((product, axis) => product * axis, 1) };
}

/**
 * Normalizes an array's elements in double precision and rounds them once, to the model's input type.
 *
 * @param name of the array in messages
 * @throws {DataError} when a value does not fit the type
 */
export function preprocess(
  elements: Elements,
  from: ElementType,
  to: ElementType,
  normalization: Normalization,
  geometry: ChannelGeometry,
  name: string,
): Elements {
  if (isIdentity(normalization)) return from === to ? elements : cast(asNumbers(from, elements), to, name);
  const values = asNumbers(from, elements);
  const normalized = to === "float32" ? new Float32Array(values.length) : new Float64Array(values.length);
  normalize(values, normalization, geometry, normalized);
  return cast(normalized, to, name);
}

/**
 * Whether every value of integer type `from` fits `to` after normalizing. Normalizing and rounding are
 * monotonic, so checking both ends of the type's range suffices. False for floating types, whose actual
 * values must be checked.
 */
export function alwaysFits(
  from: ElementType,
  to: ElementType,
  normalization: Normalization,
  { channels }: ChannelGeometry,
): boolean {
  const range = integerRange(from);
  if (range === undefined) return false;
  const ends = Float64Array.from({ length: 2 * channels }, (_, index) => range[index % 2]!);
  try {
    preprocess(ends, "float64", to, normalization, { channels, inner: 2 }, "");
    return true;
  } catch (error) {
    if (error instanceof DataError) return false;
    throw error;
  }
}

type Numbers = ReturnType<typeof asNumbers>;

function normalize(
  values: Numbers,
  { scale, mean, std }: Normalization,
  { channels, inner }: ChannelGeometry,
  out: Float32Array | Float64Array,
): void {
  const rows = values.length / (channels * inner);
  let index = 0;
  for (let row = 0; row < rows; row++) {
    for (let channel = 0; channel < channels; channel++) {
      const subtrahend = ofChannel(mean, channel, 0);
      const divisor = ofChannel(std, channel, 1);
      for (const end = index + inner; index < end; index++) {
        out[index] = (values[index]! * scale - subtrahend) / divisor;
      }
    }
  }
}

function ofChannel(values: readonly number[] | undefined, channel: number, absent: number): number {
  return values?.[values.length === 1 ? 0 : channel] ?? absent;
}

function cast(values: Numbers, to: ElementType, name: string): Elements {
  switch (to) {
    case "float32":
      return finite(values instanceof Float32Array ? values : new Float32Array(values), values, to, name);
    case "float64":
      return finite(values instanceof Float64Array ? values : new Float64Array(values), values, to, name);
    case "float16": {
      const halves = new Uint16Array(values.length);
      for (let index = 0; index < values.length; index++) halves[index] = float16Bits(values[index]!);
      const overflow = halves.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
      if (overflow >= 0) throw doesNotFit(values[overflow]!, to, name);
      return halves;
    }
    default:
      return castToInteger(values, to, name);
  }
}

function finite<Floats extends Float32Array | Float64Array>(
  floats: Floats,
  values: Numbers,
  to: ElementType,
  name: string,
): Floats {
  for (let index = 0; index < floats.length; index++) {
    if (!Number.isFinite(floats[index]!)) throw doesNotFit(values[index]!, to, name);
  }
  return floats;
}

function castToInteger(values: Numbers, to: ElementType, name: string): Elements {
  const out = allocateElements(to, values.length);
  const [low, high] = integerRange(to) ?? [0, 0];
  for (let index = 0; index < values.length; index++) {
    const rounded = roundHalfToEven(values[index]!);
    if (!(rounded >= low && rounded <= high)) throw doesNotFit(values[index]!, to, name);
    if (out instanceof BigInt64Array || out instanceof BigUint64Array) out[index] = BigInt(rounded);
    else out[index] = rounded;
  }
  return out;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function doesNotFit(value: number, to: ElementType, name: string): DataError {
  return new DataError(
    `${name} holds a value that becomes ${value}, which ${to} cannot hold; correct scale, mean and std or the array.`,
  );
}

/**
 * Whether an array of type `from` may feed an input of type `to`. Integers may become any type and floats may
 * be rounded to other floats; fractions may be rounded to integers only where scale, mean or std are given.
 */
export function fitsType(from: ElementType, to: ElementType, normalization: Normalization): boolean {
  return isFloating(to) || !isFloating(from) || !isIdentity(normalization);
}
