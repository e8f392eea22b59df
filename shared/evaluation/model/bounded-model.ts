import { ModelError } from "../../basics/errors.js";
import { memoryProblem } from "../../basics/memory-limit.js";
import type { Model } from "../../onnx/model/codec.js";
import { constantSize, inferenceSize } from "../../onnx/model/declared-memory.js";
import { boundConstantBodies, boundConstantRegion, withConstants } from "./constant-region.js";
import { inferTypes, leastBytes, type TensorTypes } from "./tensor-types.js";

/**
 * Number of copies of each constant in memory: as it was read, in ONNX Runtime, and in the quantized model.
 */
const COPIES_OF_CONSTANTS = 3;

/**
 * Number of ONNX Runtime sessions that hold the memory of an inference at once: those of the float model, of
 * the statistics and of a quantized model.
 */
const SESSIONS = 3;

/** Thrown when the tensors of an inference need more memory than the limit. */
export class MemoryLimitError extends ModelError {}

/**
 * Checks the declared size of a model's constants, before external data are read and sparse constants made dense.
 * @param origin the model's name in errors
 * @throws {ModelError} when they need more than the memory limit
 */
export function requireBoundedConstants(model: Model, origin: string): void {
  const { bytes, largest } = constantSize(model.graph);
  const problem = memoryProblem(COPIES_OF_CONSTANTS * bytes);
  if (problem === undefined) return;
  throw new ModelError(`${origin}: the constants, "${largest}" the largest of them, need ${problem}.`);
}

/**
 * Checks the size of the tensors that ONNX Runtime computes when it folds a model's constants and when it infers.
 * @param model with its external data in the message
 * @throws {ModelError} when they need more than the memory limit
 */
export async function requireBoundedTensors(model: Model, origin: string): Promise<void> {
  const fits = (graph: Model["graph"], tensors: TensorTypes["tensors"]): void =>
    requireFits(graph, tensors, origin);
  let current = model;
  for (;;) {
    const { tensors } = await inferTypes(current);
    fits(current.graph, tensors);
    const computed = await boundConstantRegion(current, tensors, origin, fits);
    if (computed.length === 0) return boundConstantBodies(current, tensors, origin, fits);
    // With these sizes more can be inferred.
    current = withConstants(current, computed);
  }
}

/** Checks the memory that the tensors of an inference need, for models whose constants are folded already. */
export function requireFits(graph: Model["graph"], tensors: TensorTypes["tensors"], origin: string): void {
  const { bytes, largest } = inferenceSize(graph, (name) => {
    const info = tensors.get(name);
    return info === undefined ? 0 : leastBytes(info);
  });
  const problem = memoryProblem(SESSIONS * bytes);
  if (problem === undefined) return;
  throw new MemoryLimitError(
    `${origin}: the tensors of an inference, "${largest}" the largest of them, need in ${SESSIONS} sessions ${problem}.`,
  );
}
