import { DataError } from "../basics/errors.js";
import { bytesPerElement, type ElementType } from "../runtime/element-type.js";

/**
 * Longest accepted header in bytes: numpy writes 128 for ordinary arrays, more only for structured types,
 * which are refused.
 */
export const LONGEST_NPY_HEADER = 65_536;
/** Largest number of axes of an array, as in numpy. */
const MAX_AXES = 32;

/** Layout of a `.npy` file in C order. */
export interface NpyHeader {
  readonly type: ElementType;
  /** Length of each axis; the first axis counts the rows (samples). */
  readonly shape: readonly number[];
  /** Offset of the data in the file, in bytes. */
  readonly offset: number;
  /** Length of the data, in bytes. */
  readonly bytes: number;
}

const MAGIC = "\x93NUMPY";

/**
 * Parses the header of a `.npy` file (numpy's format document, versions 1 to 3).
 *
 * @param start the file's first bytes: the whole header, followed by at most `LONGEST_NPY_HEADER` bytes
 * @param name of the file in messages
 * @throws {DataError} for anything but numbers in little-endian C order
 */
export function parseNpyHeader(start: Uint8Array, name: string): NpyHeader {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  if (start.length < 10 || latin1(start.subarray(0, 6)) !== MAGIC) {
    throw new DataError(`${name} is not a .npy file; write it with numpy.save.`);
  }
  const version = start[6] ?? 0;
  if (version < 1 || version > 3) {
    throw new DataError(
      `${name} has .npy version ${version}, but versions 1 to 3 are known; write it with numpy.save.`,
    );
  }
  const prefix = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : start.length < 12 ? 0 : view.getUint32(8, true);
  if (length === 0 || length > LONGEST_NPY_HEADER || prefix + length > start.length) {
    throw new DataError(
      `${name} has a .npy header of ${length} bytes that does not end; write the file anew with numpy.save.`,
    );
  }
  const header = latin1(start.subarray(prefix, prefix + length));
  const type = elementType(field(header, "descr", /'([^']*)'/, name), name);
  const shape = dimensions(field(header, "shape", /\(([\d,\s]*)\)/, name), name);
  const fortran = field(header, "fortran_order", /(True|False)/, name) === "True";
  if (fortran && shape.length > 1) {
    throw new DataError(`${name} is in Fortran order; save numpy.ascontiguousarray(array) instead.`);
  }
  const elements = shape.reduce((product, axis) => product * axis, 1);
  const bytes = elements * bytesPerElement(type);
  if (!Number.isSafeInteger(bytes)) {
    throw new DataError(
      `${name} has shape [${shape.join(", ")}], which no file can hold; write it anew with numpy.save.`,
    );
  }
  return { type, shape, offset: prefix + length, bytes };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function field(header: string, key: string, value: RegExp, name: string): string {
  const match = new RegExp(`'${key}':\\s*${value.source}`).exec(header);
  if (match?.[1] === undefined) {
    const what = key === "descr" ? "an element type that is not a plain number" : `no readable '${key}'`;
    throw new DataError(
      `${name} has ${what} in its .npy header; save a plain array of numbers with numpy.save.`,
    );
  }
  return match[1];
}

function dimensions(text: string, name: string): readonly number[] {
  const shape = text
    .split(",")
    .map((axis) => axis.trim())
    .filter((axis) => axis !== "")
    .map(Number);
  if (shape.length === 0) {
    throw new DataError(
      `${name} holds a single number, but the first axis must count samples; save an array.`,
    );
  }
  if (shape.length > MAX_AXES || shape.some((axis) => !Number.isSafeInteger(axis))) {
    throw new DataError(`${name} has a shape that no array can have; write it anew with numpy.save.`);
  }
  return shape;
}

function elementType(descr: string, name: string): ElementType {
  if (descr.startsWith(">") && !descr.endsWith("1")) {
    throw new DataError(
      `${name} is big-endian (${descr}); save array.astype("${descr.replace(">", "<")}") instead.`,
    );
  }
  if (/^.?[USaO]\d*$/.test(descr)) {
    throw new DataError(
      `${name} holds text or objects (${descr}), which no model takes; save numbers, or, for labels, a text file with a line a sample: numpy.savetxt("labels.txt", array, fmt="%s").`,
    );
  }
  const type = ELEMENT_TYPES[descr.slice(1)];
  if (type === undefined || !/^[<>|=]/.test(descr)) {
    throw new DataError(
      `${name} holds elements of type ${descr}, which are not numbers that a model takes; save it as a numeric type, such as float32.`,
    );
  }
  return type;
}

const ELEMENT_TYPES: Readonly<Record<string, ElementType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "uint64",
  b1: "bool",
};
