import * as z from "zod";

/**
 * Maximum length in characters of rows (per-sample scores) as base64 text: 12 MiB before encoding, which is
 * more than a queue message can hold.
 */
export const MAX_ENCODED_ROWS = 16 * 1024 * 1024;
const MAX_ROWS = 10_000_000;
const MAX_ROW_WIDTH = 65_536;

/**
 * Per-sample metric rows as events and records hold them: `rows` rows of `width` values, in sample order.
 * Encoding `bits` has one bit per value (zeros and ones only), least significant bit first; `float32` has
 * little-endian 32-bit floats. Both are base64.
 */
export const packedRowsSchema = z.strictObject({
  encoding: z.enum(["bits", "float32"]),
  rows: z.int().min(0).max(MAX_ROWS),
  width: z.int().min(1).max(MAX_ROW_WIDTH),
  data: z.base64().max(MAX_ENCODED_ROWS),
});

export type PackedRows = Readonly<z.infer<typeof packedRowsSchema>>;

/** Packs rows (per-sample scores) of `width` values each, given row by row; lossless for 32-bit floats. */
export function packRows(values: Float32Array, width: number): PackedRows {
  if (width < 1 || values.length % width !== 0)
    throw new RangeError(`${values.length} values do not make whole rows of ${width}`);
  const rows = values.length / width;
  if (isBinary(values)) return { encoding: "bits", rows, width, data: encodeBits(values) };
  return { encoding: "float32", rows, width, data: encodeFloats(values) };
}

/**
 * Unpacks rows (per-sample scores) to floats, row by row: `rows * width` values.
 *
 * @throws RangeError if the data is not as long as the shape requires.
 */
export function unpackRows(packed: PackedRows): Float32Array {
  const count = packed.rows * packed.width;
  const bytes = Buffer.from(packed.data, "base64");
  const expected = bytesOf(packed);
  if (bytes.length !== expected)
    throw new RangeError(
      `${packed.rows} rows of ${packed.width} values as ${packed.encoding} need ${expected} bytes, not ${bytes.length}`,
    );
  const values = new Float32Array(count);
  switch (packed.encoding) {
    case "bits":
      for (let i = 0; i < count; i++) values[i] = (bytes[i >> 3]! >> (i & 7)) & 1;
      return values;
    case "float32":
      for (let i = 0; i < count; i++) values[i] = bytes.readFloatLE(4 * i);
      return values;
  }
}

/** Whether the data of packed rows is as long as their shape requires, so that the rows can be unpacked. */
export function isWhole(packed: PackedRows): boolean {
  return Buffer.from(packed.data, "base64").length === bytesOf(packed);
}

function bytesOf({ encoding, rows, width }: PackedRows): number {
  return encoding === "bits" ? Math.ceil((rows * width) / 8) : rows * width * 4;
}

/**
 * The rows (per-sample scores) of all shards (workers' parts of the samples), concatenated in the order
 * given.
 */
export function concatenateRows(shards: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(shards.reduce((sum, shard) => sum + shard.length, 0));
  let offset = 0;
  for (const shard of shards) {
    all.set(shard, offset);
    offset += shard.length;
  }
  return all;
}

function isBinary(values: Float32Array): boolean {
  // Object.is excludes -0, which the encoding as bits could not restore.
  return values.every((value) => value === 1 || Object.is(value, 0));
}

function encodeBits(values: Float32Array): string {
  const bytes = Buffer.alloc(Math.ceil(values.length / 8));
  for (let i = 0; i < values.length; i++) if (values[i] === 1) bytes[i >> 3]! |= 1 << (i & 7);
  return bytes.toString("base64");
}

function encodeFloats(values: Float32Array): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (let i = 0; i < values.length; i++) bytes.writeFloatLE(values[i]!, 4 * i);
  return bytes.toString("base64");
}
