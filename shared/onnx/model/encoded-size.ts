import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, type TensorProto, TensorProtoSchema } from "onnx-buf";
import type { Model } from "./codec.js";
import { edited } from "./edited.js";

const NOTHING = new Uint8Array(0);

/** Length in bytes of what `encodeModel` returns, computed without encoding the tensors' contents. */
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

/**
 * Encoded bytes of a length-delimited field: one byte of tag (all field numbers here are small), the length
 * and the content.
 */
function fieldBytes(content: number): number {
  return 1 + lengthBytes(content) + content;
}

/** Bytes of content in a length-delimited field of `field` bytes: the inverse of `fieldBytes`. */
function contentBytes(field: number): number {
  for (let length = 1; length <= 5; length++) {
    const content = field - 1 - length;
    if (content >= 0 && lengthBytes(content) === length) return content;
  }
  throw new Error(`No field has ${field} bytes.`);
}

/** Encoded bytes of a varint, which holds seven bits per byte. */
function lengthBytes(value: number): number {
  let bytes = 1;
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) bytes += 1;
  return bytes;
}
