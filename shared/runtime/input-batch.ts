import type { TensorValue } from "./tensor.js";

/** Input tensors of one inference, keyed by input name. */
export type InputBatch = Readonly<Record<string, TensorValue>>;
