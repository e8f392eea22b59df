import { open, realpath, stat } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  TensorProto_DataLocation as DataLocation,
  StringStringEntryProtoSchema,
  type TensorProto,
} from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import type { Model } from "./codec.js";
import { modelTensors } from "./model-tensors.js";
import { isExternal, tensorBytes } from "./tensor.js";

/**
 * Limit in bytes on a model with its external tensors: ONNX Runtime serializes the whole folded model as one
 * protobuf message, which cannot be longer.
 */
const MAX_TOTAL_BYTES = 2 ** 31 - 1;

/** Size from which a tensor is moved to the external file; smaller ones stay in the message, as in ONNX's own tools. */
const EXTERNAL_THRESHOLD_BYTES = 1024;

/**
 * Alignment in bytes of tensors in the external file, which ONNX Runtime maps into memory: elements and vector
 * loads need aligned addresses.
 */
const ALIGNMENT_BYTES = 64;

interface Location {
  /** The path of the external file as written in the model. */
  readonly path: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * Reads external tensor data into the model's message, in place. The paths come from the model, which is
 * untrusted: each must stay inside the model's folder, and offsets and lengths inside the file.
 *
 * @param directory the model's folder
 * @returns the contents of these tensors; the tensors share their memory
 * @throws {ModelError}
 */
export async function loadExternalData(model: Model, directory: string): Promise<Uint8Array[]> {
  const tensors = externalTensors(model);
  const contents: Uint8Array[] = [];
  let total = 0;
  for (const tensor of tensors) {
    const location = parseLocation(tensor, directory);
    total += location.length;
    if (total > MAX_TOTAL_BYTES) {
      throw new ModelError(
        `The model's external data is more than ${MAX_TOTAL_BYTES} bytes, which is all that can be folded at once; split the model.`,
      );
    }
    await requireRealPlace(tensor, location, directory);
    const content = await readRange(tensor, location);
    contents.push(content);
    tensor.rawData = content;
    tensor.externalData = [];
    tensor.dataLocation = DataLocation.DEFAULT;
  }
  return contents;
}

/**
 * The files that hold the model's external tensors, without repetition.
 *
 * @param directory the model's folder, which no file may be outside of
 * @throws {ModelError}
 */
export async function externalDataFiles(model: Model, directory: string): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const tensor of externalTensors(model)) {
    const location = parseLocation(tensor, directory);
    if (files.has(location.file)) continue;
    await requireRealPlace(tensor, location, directory);
    files.add(location.file);
  }
  return [...files];
}

/**
 * Moves the larger initializers out of the message, in place, into one external file in which they follow one
 * another.
 * @returns the file's content, in pieces that share memory with the tensors
 */
export function externalizeData(model: Model, file: string): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of model.graph.initializer) {
    const { rawData } = tensor;
    if (rawData.byteLength < EXTERNAL_THRESHOLD_BYTES) continue;
    const padding = -offset & (ALIGNMENT_BYTES - 1);
    pieces.push(new Uint8Array(padding), rawData);
    offset += padding;
    tensor.externalData = [
      entry("location", file),
      entry("offset", String(offset)),
      entry("length", String(rawData.byteLength)),
    ];
    tensor.dataLocation = DataLocation.EXTERNAL;
    tensor.rawData = new Uint8Array(0);
    offset += rawData.byteLength;
  }
  return pieces;
}

function entry(key: string, value: string) {
  return create(StringStringEntryProtoSchema, { key, value });
}

function externalTensors({ graph, functions }: Model): TensorProto[] {
  return [graph, ...functions].flatMap((holder) => [...modelTensors(holder).dense].filter(isExternal));
}

function parseLocation(tensor: TensorProto, directory: string): Location {
  const fields = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const path = fields.get("location") ?? "";
  const file = resolve(directory, path);
  if (isAbsolute(path) || !isWithin(file, directory)) {
    throw new ModelError(
      `Initializer "${tensor.name}" keeps its data in "${path}", outside the model's folder; move the file beside the model.`,
    );
  }
  const expected = tensorBytes(tensor);
  const offset = Number(fields.get("offset") ?? 0);
  const length = Number(fields.get("length") ?? expected);
  if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length !== expected) {
    throw new ModelError(
      `Initializer "${tensor.name}" says that its data are ${length} bytes at ${offset} of "${path}" where its shape needs ${expected} bytes; export the model again.`,
    );
  }
  return { path, file, offset, length };
}

function isWithin(file: string, directory: string): boolean {
  const inside = relative(directory, file);
  return inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
}

/**
 * Refuses an external data file outside the model's folder.
 *
 * @throws {ModelError} when the file is outside the model's folder once symbolic links are followed. A missing
 * file passes; reading it fails later.
 */
async function requireRealPlace(tensor: TensorProto, location: Location, directory: string): Promise<void> {
  const [file, folder] = await Promise.all([realpath(location.file), realpath(directory)]).catch(() => []);
  if (file === undefined || folder === undefined || isWithin(file, folder)) return;
  throw new ModelError(
    `Initializer "${tensor.name}" keeps its data in "${location.path}", a link to ${file} outside the model's folder; copy the file beside the model.`,
  );
}

async function readRange(
  tensor: TensorProto,
  { file, offset, length }: Location,
): Promise<Uint8Array<ArrayBuffer>> {
  const unreadable = (cause?: unknown): never => {
    throw new ModelError(
      `The external data "${file}" of initializer "${tensor.name}" cannot be read; copy it beside the model.`,
      { cause },
    );
  };
  const found = await stat(file).catch(unreadable);
  // Opening a named pipe would block until it has a writer.
  if (!found.isFile()) unreadable();
  const handle = await open(file, "r").catch(unreadable);
  try {
    const { size } = await handle.stat();
    if (offset + length > size) {
      throw new ModelError(
        `The external data "${file}" has ${size} bytes where initializer "${tensor.name}" needs ${offset + length}; copy the whole file beside the model.`,
      );
    }
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new ModelError(`The external data "${file}" ended early; copy it again.`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
