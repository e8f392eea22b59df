import { createHash } from "node:crypto";
import * as z from "zod";
import type { LiftTarget } from "../../onnx/lift/opset.js";
import { decodeModel, encodeModel } from "../../onnx/model/codec.js";
import {
  type ContentFolder,
  discardContent,
  readContent,
  writeContent,
} from "../../run/store/content-cache.js";
import { onnxruntimeVersion } from "../../runtime/session.js";
import { readModelFile } from "./model-file.js";
import { type PreparedModel, prepareModel } from "./prepare-model.js";

/**
 * Version of the preparation, a part of the cache key: raised when models are prepared or stored differently
 * than before, so that earlier files are not used.
 */
const PREPARATION_VERSION = 2;

const DIGEST_BYTES = 32;
const HEADER_LENGTH_BYTES = 4;

const portSchema = z.strictObject({
  name: z.string(),
  type: z.string(),
  shape: z.array(z.union([z.number(), z.string()])),
});

const headerSchema = z.strictObject({
  nodeNames: z.array(z.string()),
  tensors: z.array(portSchema),
  inputs: z.array(portSchema),
  outputs: z.array(portSchema),
});

type Preparation = Pick<PreparedModel, "model" | "nodeNames" | "tensors" | "inputs" | "outputs">;

/**
 * Reads and prepares the model at `path`, or takes from the cache `contents` what an earlier process prepared
 * from the same file. Models with external data are always prepared anew, as the hash of the model file does
 * not cover these data.
 *
 * @throws {ModelError} as `prepareModel`
 */
export async function openPreparedModel(
  path: string,
  opset: LiftTarget,
  contents: ContentFolder,
): Promise<PreparedModel> {
  const bytes = await readModelFile(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = preparationName(sha256, opset);
  const kept = await readPreparation(contents, name);
  if (kept !== undefined)
    return { ...kept, sha256, rewritings: [], bytes: bytes.byteLength, external: false };
  const prepared = await prepareModel(bytes, path, opset);
  if (!prepared.external) await writeContent(contents, name, encodePreparation(prepared));
  return prepared;
}

/** Cache key of a prepared model: a hash of everything that the preparation depends on. */
function preparationName(modelSha256: string, opset: LiftTarget): string {
  const origin = ["prepared model", PREPARATION_VERSION, onnxruntimeVersion(), opset, modelSha256];
  return createHash("sha256").update(JSON.stringify(origin)).digest("hex");
}

async function readPreparation(contents: ContentFolder, name: string): Promise<Preparation | undefined> {
  const bytes = await readContent(contents, name);
  if (bytes === undefined) return undefined;
  const preparation = decodePreparation(bytes, name);
  if (preparation === undefined) await discardContent(contents, name);
  return preparation;
}

/**
 * Encodes a prepared model for the cache: SHA-256 of the rest, length of the header in 4 bytes (little
 * endian), header in JSON, model in protobuf.
 */
function encodePreparation({ model, nodeNames, tensors, inputs, outputs }: Preparation): Uint8Array {
  const header = Buffer.from(
    JSON.stringify({ nodeNames: [...nodeNames], tensors: [...tensors.values()], inputs, outputs }),
  );
  const length = Buffer.alloc(HEADER_LENGTH_BYTES);
  length.writeUInt32LE(header.byteLength);
  const content = Buffer.concat([length, header, encodeModel(model)]);
  return Buffer.concat([digest(content), content]);
}

/**
 * Decodes a prepared model from the cache.
 *
 * @returns `undefined` where the bytes are not those that were written
 */
function decodePreparation(bytes: Uint8Array, name: string): Preparation | undefined {
  const content = bytes.subarray(DIGEST_BYTES);
  if (!digest(content).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
  const { buffer, byteOffset, byteLength } = content;
  const headerEnd = HEADER_LENGTH_BYTES + new DataView(buffer, byteOffset, byteLength).getUint32(0, true);
  const header = Buffer.from(buffer, byteOffset + HEADER_LENGTH_BYTES, headerEnd - HEADER_LENGTH_BYTES);
  const { nodeNames, tensors, inputs, outputs } = headerSchema.parse(JSON.parse(header.toString("utf8")));
  return {
    model: decodeModel(content.subarray(headerEnd), name),
    nodeNames: new Set(nodeNames),
    tensors: new Map(tensors.map((info) => [info.name, info])),
    inputs,
    outputs,
  };
}

function digest(content: Uint8Array): Buffer {
  return createHash("sha256").update(content).digest();
}
