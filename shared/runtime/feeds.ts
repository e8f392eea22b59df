import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { InputBatch } from "./input-batch.js";

/** Wraps a batch of inputs as a session takes them, without copying. */
export function toFeeds(batch: InputBatch): InferenceSession.OnnxValueMapType {
  return Object.fromEntries(
    Object.entries(batch).map(([name, { type, data, dims }]) => [
      name,
      new Tensor(type as Tensor.Type, data as Tensor.DataType, [...dims]),
    ]),
  );
}
