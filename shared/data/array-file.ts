import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { DataError } from "../basics/errors.js";
import {
  asNumbers,
  bytesPerElement,
  type Elements,
  type ElementType,
  isFloating,
  viewElements,
} from "../runtime/element-type.js";
import { IMAGE_FILE } from "./image-name.js";
import { LONGEST_NPY_HEADER, type NpyHeader, parseNpyHeader } from "./npy.js";
import { extractFromNpz, LARGEST_ARCHIVE_BYTES } from "./npz.js";

/** Limit in bytes on the rows (samples) of one array that are read into memory. */
const LARGEST_ARRAY_BYTES = 4 * 1024 ** 3;
/** Bytes per read call; Node allows at most 2^31-1. */
const BYTES_PER_READ = 1024 ** 3;

const IMAGES_REMEDY =
  'give a .npy file or file.npz#key, or name a folder of images as "images" of the section, instead of inputs';

/** Rows (samples) of an array file, as stored and not yet converted to the model's type. */
export interface SourceArray {
  readonly type: ElementType;
  /** Length of each axis; `shape[0]` is the number of rows (samples) that were read. */
  readonly shape: readonly number[];
  readonly data: Elements;
  /** SHA-256 of the array's type, shape and bytes, in hexadecimal. */
  readonly sha256: string;
}

export interface ArrayRequest {
  /** Absolute path of a `.npy` file, or `path.npz#key`. */
  readonly file: string;
  /** Half-open range of rows (samples) to read; the whole array when omitted. */
  readonly rows?: readonly [first: number, end: number] | undefined;
  /** Name of the array in messages, such as `engine.evaluation.inputs.x (x.npy)`. */
  readonly name: string;
}

/**
 * Reads rows of an array; from a `.npy` file only those rows.
 *
 * @throws {DataError} when the file cannot be read, is not a plain array of numbers, does not have the length
 * that its header states, lacks the rows, is too large, or holds NaN or infinity
 */
export async function readArray({ file, rows, name }: ArrayRequest): Promise<SourceArray> {
  const hash = file.lastIndexOf("#");
  const archive = hash < 0 ? undefined : file.slice(0, hash);
  if (archive === undefined && file.endsWith(".npz")) {
    throw new DataError(`${name} is an archive of arrays; name one of them as file.npz#key.`);
  }
  const array =
    archive === undefined
      ? await readNpyFile(file, rows, name)
      : await readNpzEntry(archive, file.slice(hash + 1), rows, name);
  refuseNotFinite(array, rows?.[0] ?? 0, name);
  return array;
}

async function readNpzEntry(
  archive: string,
  key: string,
  rows: ArrayRequest["rows"],
  name: string,
): Promise<SourceArray> {
  const handle = await openForReading(archive, name);
  try {
    const { size } = await handle.stat();
    if (size > LARGEST_ARCHIVE_BYTES) {
      throw new DataError(
        `${name} has ${size} bytes, but an archive has at most ${LARGEST_ARCHIVE_BYTES}; save the array with numpy.save.`,
      );
    }
    const content = extractFromNpz(await readBytes(handle, 0, size, name), key, name);
    const header = parseNpyHeader(content.subarray(0, LONGEST_NPY_HEADER + 12), name);
    refuseWrongLength(header, content.length, name);
    const range = rowRange(header, rows, name);
    const begin = content.byteOffset + header.offset + range.offset;
    return sourceArray(header, range, (content.buffer as ArrayBuffer).slice(begin, begin + range.bytes));
  } finally {
    await handle.close();
  }
}

async function readNpyFile(file: string, rows: ArrayRequest["rows"], name: string): Promise<SourceArray> {
  const handle = await openForReading(file, name);
  try {
    const { size } = await handle.stat();
    const start = await readBytes(handle, 0, Math.min(size, LONGEST_NPY_HEADER + 12), name);
    const header = parseNpyHeader(start, name);
    refuseWrongLength(header, size, name);
    const range = rowRange(header, rows, name);
    const bytes = await readBytes(handle, header.offset + range.offset, range.bytes, name);
    return sourceArray(header, range, bytes.buffer);
  } finally {
    await handle.close();
  }
}

async function openForReading(file: string, name: string): Promise<FileHandle> {
  if (file.startsWith("s3://")) {
    throw new DataError(`${name} is in S3, which only submit reads; give a file for a run on this machine.`);
  }
  try {
    // Checked first, because opening a named pipe would block until it has a writer.
    const status = await stat(file);
    if (status.isDirectory()) throw new DataError(`${name} is a folder; ${IMAGES_REMEDY}.`);
    if (IMAGE_FILE.test(file)) throw new DataError(`${name} is an image; ${IMAGES_REMEDY}.`);
    if (status.isFile()) return await open(file, "r");
  } catch (error) {
    if (error instanceof DataError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new DataError(
      `${name} cannot be read (${reason}); give the path of a .npy file, or file.npz#key.`,
      {
        cause: error,
      },
    );
  }
  throw new DataError(`${name} is not a file; give the path of a .npy file, or file.npz#key.`);
}

async function readBytes(
  handle: FileHandle,
  position: number,
  length: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(
      bytes,
      done,
      Math.min(length - done, BYTES_PER_READ),
      position + done,
    );
    if (bytesRead === 0)
      throw new DataError(`${name} was cut short while it was read; start again when it is complete.`);
    done += bytesRead;
  }
  return bytes;
}

function refuseWrongLength(header: NpyHeader, size: number, name: string): void {
  const expected = header.offset + header.bytes;
  if (size === expected) return;
  throw new DataError(
    `${name} has ${size} bytes, but its header, with shape [${header.shape.join(", ")}] of ${header.type}, asks for ${expected}; write it anew with numpy.save.`,
  );
}

interface RowRange {
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

function rowRange(header: NpyHeader, rows: ArrayRequest["rows"], name: string): RowRange {
  const total = header.shape[0] ?? 0;
  if (header.bytes === 0)
    throw new DataError(`${name} is empty, with shape [${header.shape.join(", ")}]; give it a sample.`);
  const [first, end] = rows ?? [0, total];
  if (end > total) {
    throw new DataError(
      `${name} has ${total} rows, but rows asks for [${first}, ${end}); end it at ${total}.`,
    );
  }
  const bytesPerRow = header.bytes / total;
  const bytes = (end - first) * bytesPerRow;
  if (bytes > LARGEST_ARRAY_BYTES) {
    throw new DataError(
      `${name} asks for ${end - first} rows of ${bytesPerRow} bytes, but at most ${LARGEST_ARRAY_BYTES} bytes are held in memory; choose fewer with rows.`,
    );
  }
  return { count: end - first, offset: first * bytesPerRow, bytes };
}

function sourceArray(header: NpyHeader, range: RowRange, buffer: ArrayBuffer): SourceArray {
  const shape = [range.count, ...header.shape.slice(1)];
  const sha256 = createHash("sha256")
    .update(JSON.stringify([header.type, shape]))
    .update(new Uint8Array(buffer))
    .digest("hex");
  const data = viewElements(header.type, buffer, 0, range.bytes / bytesPerElement(header.type));
  return { type: header.type, shape, data, sha256 };
}

function refuseNotFinite(array: SourceArray, firstRow: number, name: string): void {
  if (!isFloating(array.type)) return;
  const values = asNumbers(array.type, array.data);
  for (let index = 0; index < values.length; index++) {
    if (Number.isFinite(values[index]!)) continue;
    const place = coordinates(index, array.shape);
    place[0] = (place[0] ?? 0) + firstRow;
    throw new DataError(
      `${name} holds ${values[index]} at [${place.join(", ")}]; replace it with a finite number.`,
    );
  }
}

function coordinates(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  let rest = index;
  for (const axis of [...shape].reverse()) {
    place.unshift(rest % axis);
    rest = Math.floor(rest / axis);
  }
  return place;
}
