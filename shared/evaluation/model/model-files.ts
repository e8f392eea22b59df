import { dirname } from "node:path";
import { create } from "@bufbuild/protobuf";
import { StringStringEntryProtoSchema } from "onnx-buf";
import { decodeModel, encodeModel, type Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { encodedBytes } from "../../onnx/model/encoded-size.js";
import { externalizeData, loadExternalData } from "../../onnx/model/external-data.js";
import { readModelFile } from "./model-file.js";

/**
 * Encodes a model as its files; tensors are written as external data (a file of their own) where the float
 * model had them there.
 */
export function encodeFiles(
  model: Model,
  external: boolean,
): { readonly model: Uint8Array; readonly data: Uint8Array | undefined } {
  if (!external) return { model: encodeModel(model), data: undefined };
  const { copy, pieces } = externalized(model);
  return { model: encodeModel(copy), data: Buffer.concat(pieces) };
}

/** The float model's files as they were given; external data in one file, as a quantized model's are. */
export async function readFloatFiles(
  path: string,
  external: boolean,
): Promise<ReturnType<typeof encodeFiles>> {
  const bytes = await readModelFile(path);
  if (!external) return { model: bytes, data: undefined };
  const model = decodeModel(bytes, path);
  await loadExternalData(model, dirname(path));
  return encodeFiles(model, external);
}

/** The total size in bytes of the files that {@link encodeFiles} returns, without encoding the tensors. */
export function fileBytes(model: Model, external: boolean): number {
  if (!external) return encodedBytes(model);
  const { copy, pieces } = externalized(model);
  return pieces.reduce((sum, piece) => sum + piece.byteLength, encodedBytes(copy));
}

function externalized(model: Model): { readonly copy: Model; readonly pieces: readonly Uint8Array[] } {
  const initializer = model.graph.initializer.map((tensor) => edited(tensor, {}));
  const copy = edited(model, { graph: edited(model.graph, { initializer }) });
  return { copy, pieces: externalizeData(copy, EXTERNAL_DATA_FILE) };
}

/** Name of the file of external data, which lies beside `model.onnx`. */
const EXTERNAL_DATA_FILE = "model.onnx.data";

/** The model with entries added to its metadata; they replace entries of the same keys. */
export function withProperties(model: Model, properties: Readonly<Record<string, string>>): Model {
  const kept = model.metadataProps.filter(({ key }) => !(key in properties));
  const added = Object.entries(properties).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  return edited(model, { metadataProps: [...kept, ...added] });
}
