import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type TensorProto, TensorProtoSchema } from "onnx-buf";
import type { Model } from "./codec.js";
import { edited } from "./edited.js";

const NOTHING = new Uint8Array(0);

/** Bytes that a model encodes to, without encoding its tensors' contents: as many as `encodeModel` gives. */
export function encodedBytes(model: Model): number {
  const { graph } = model;
  const others = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { graph: edited(graph, { initializer: [] }) }),
  );
  const tensors = graph.initializer.reduce((sum, tensor) => sum + fieldBytes(tensorBytes(tensor)), 0);
  const around = toBinary(ModelProtoSchema, edited(model, { graph: undefined })).byteLength;
  return around + fieldBytes(contentBytes(others.byteLength) + tensors);
}

function tensorBytes(tensor: TensorProto): number {
  const bare = edited(tensor, { rawData: NOTHING });
  const contents = Object.hasOwn(tensor, "rawData") ? fieldBytes(tensor.rawData.byteLength) : 0;
  return toBinary(TensorProtoSchema, bare).byteLength - fieldBytes(0) + contents;
}

/** A field of a message with its content's length before it; the numbers of all fields here take one byte. */
function fieldBytes(content: number): number {
  return 1 + lengthBytes(content) + content;
}

/** The content of a field, of as many bytes as the field has. */
function contentBytes(field: number): number {
  for (let length = 1; length <= 5; length++) {
    const content = field - 1 - length;
    if (content >= 0 && lengthBytes(content) === length) return content;
  }
  throw new Error(`No field has ${field} bytes.`);
}

/** Bytes of a length, of which each holds seven bits. */
function lengthBytes(value: number): number {
  let bytes = 1;
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) bytes += 1;
  return bytes;
}
