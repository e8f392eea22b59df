import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ModelError } from "../../basics/errors.js";
import { inlineFunctions } from "../../onnx/lift/inline-functions.js";
import { refuseWithoutOutputs } from "../../onnx/lift/refusals.js";
import { sortNodes } from "../../onnx/lift/topological-order.js";
import { decodeModel, type Model } from "../../onnx/model/codec.js";
import { loadExternalData } from "../../onnx/model/external-data.js";
import { requireBoundedConstants, requireBoundedTensors } from "./bounded-model.js";

/** Largest size of a protobuf message, in which an ONNX model is stored. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Reads the bytes of a model file.
 *
 * @throws {ModelError} when the file does not exist or is larger than a protobuf message can be
 */
export async function readModelFile(path: string): Promise<Uint8Array> {
  const unreadable = (cause: NodeJS.ErrnoException): never => {
    throw new ModelError(`The model ${path} cannot be read (${cause.code}); check the path.`, { cause });
  };
  const found = await stat(path).catch(unreadable);
  // Opening a pipe would wait until something writes into it.
  if (!found.isFile())
    throw new ModelError(`The model ${path} is not a file; give the path of an .onnx file.`);
  if (found.size > MAX_FILE_BYTES) {
    throw new ModelError(
      `The model ${path} has ${found.size} bytes, more than the ${MAX_FILE_BYTES} of a protobuf message; move its tensors into external data.`,
    );
  }
  return readFile(path).catch(unreadable);
}

/**
 * Reads any model, float or quantized, with its external data, and checks it against the memory limit.
 * @returns the model with its external data in the message
 * @throws {ModelError}
 */
export async function readWholeModel(path: string): Promise<Model> {
  const model = decodeModel(await readModelFile(path), path);
  inlineFunctions(model, path);
  sortNodes(model.graph, path);
  refuseWithoutOutputs(model, path);
  requireBoundedConstants(model, path);
  await loadExternalData(model, dirname(path));
  await naming(path, requireBoundedTensors(model, path));
  return model;
}

/** Adds the model's name to errors of ONNX Runtime, which lack it. */
export async function naming<T>(origin: string, loading: Promise<T>): Promise<T> {
  try {
    return await loading;
  } catch (cause) {
    if (!(cause instanceof ModelError) || cause.message.startsWith(origin)) throw cause;
    throw new ModelError(`${origin}: ${cause.message.replace(/\.$/, "")}; export the model again.`, {
      cause,
    });
  }
}
