import type { TensorValue } from "./tensor.js";

/** What a session is fed, by the names of the model's inputs. */
export type InputBatch = Readonly<Record<string, TensorValue>>;
