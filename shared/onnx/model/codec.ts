import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type GraphProto, type ModelProto, ModelProtoSchema } from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { requireTensorSizes } from "./tensor-sizes.js";

/** Upper limit in bytes of a protobuf message; larger models keep their tensors in external files. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** A decoded model with a graph; in protobuf's own type the graph is optional. */
export type Model = ModelProto & { graph: GraphProto };

/**
 * Parses an ONNX model. Raw tensor data are views into `bytes`, which must not change afterwards. Unknown
 * fields are kept, so an unedited model encodes to the same content.
 *
 * @param origin how errors name the model, usually its path
 * @throws {ModelError} when the bytes are not an ONNX model, or a constant's data do not match its declared
 * shape
 */
export function decodeModel(bytes: Uint8Array, origin: string): Model {
  if (bytes.byteLength === 0) {
    throw new ModelError(`${origin} is empty; give the path of an ONNX model.`);
  }
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new ModelError(
      `${origin} is not an ONNX model (its ${bytes.byteLength} bytes do not parse as protobuf); give the path of an .onnx file.`,
      { cause },
    );
  }
  if (model.graph === undefined || model.irVersion === 0n || model.opsetImport.length === 0) {
    throw new ModelError(
      `${origin} is not an ONNX model (it has no graph, IR version or operator set); give the path of an .onnx file.`,
    );
  }
  requireTensorSizes(model, origin);
  return model as Model;
}

/**
 * The model as the bytes of an ONNX file.
 *
 * @throws {ModelError} when the message would pass protobuf's 2 GiB
 */
export function encodeModel(model: Model): Uint8Array {
  const bytes = toBinary(ModelProtoSchema, model);
  if (bytes.byteLength > MAX_MESSAGE_BYTES) {
    throw new ModelError(
      `The model encodes to ${bytes.byteLength} bytes, more than protobuf's ${MAX_MESSAGE_BYTES}; keep its tensors in external data.`,
    );
  }
  return bytes;
}

/** Whether a domain is ONNX's default one, which has two names. */
export function isStandardDomain(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/**
 * The version of the default operator set (domain `ai.onnx`), or 0 when the model does not import it. Of several
 * imports the last counts, as for ONNX Runtime.
 */
export function opsetVersion(model: Model): number {
  const entry = model.opsetImport.findLast(({ domain }) => isStandardDomain(domain));
  return entry === undefined ? 0 : Number(entry.version);
}
