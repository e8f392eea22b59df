import type { NodeProto } from "onnx-buf";
import { DataType, floatValues } from "../../onnx/model/tensor.js";
import type { OperandView } from "./quantizable-ops.js";

/**
 * Smallest magnitude of a constant that counts as a mask: masks are -1e4, the lowest half (-65504), -1e9 or the
 * lowest float; activations hardly come near.
 */
const LEAST_MASK = 1e4;

/**
 * Ops that can mask, that is, replace values by a constant or add it to them, each with the indices of the
 * inputs that may hold the constant.
 */
const MASKING: Readonly<Record<string, readonly number[]>> = {
  Add: [0, 1],
  Max: [0, 1],
  Min: [0, 1],
  Mul: [0, 1],
  Pad: [2],
  Sub: [0, 1],
  Where: [1, 2],
};

/** Ops that pass values on unchanged (or negated), so that masks are searched beyond them. */
const MOVING: ReadonlySet<string> = new Set([
  "Concat",
  "Expand",
  "Flatten",
  "Gather",
  "Identity",
  "Neg",
  "Reshape",
  "Slice",
  "Split",
  "Squeeze",
  "Tile",
  "Transpose",
  "Unsqueeze",
]);

/**
 * The constants that a tensor's values may have been masked with: those of a mask's size that were put in or
 * added since the last op that computes something else. Returns at most one of each sign, the largest in
 * magnitude.
 */
export function maskValues(tensor: string, { index }: OperandView): readonly number[] {
  let [lowest, highest] = [-LEAST_MASK, LEAST_MASK];
  const found = new Set<number>();
  const seen = new Set<string>();
  const look = (constant: string, opType: string): void => {
    const values = index.initializers.get(constant);
    if (values?.dataType !== DataType.FLOAT) return;
    for (const value of floatValues(values)) {
      if (value <= lowest) lowest = value;
      // A large positive factor is a scale, not a mask.
      else if (value >= highest && opType !== "Mul") highest = value;
      else continue;
      found.add(Math.sign(value));
    }
  };
  const visit = (name: string): void => {
    if (name === "" || seen.has(name)) return;
    seen.add(name);
    const producer = index.producer(name);
    if (producer === undefined || !isStandard(producer)) return;
    const masking = MASKING[producer.opType];
    if (masking === undefined && !MOVING.has(producer.opType)) return;
    for (const input of masking ?? []) look(producer.input[input] ?? "", producer.opType);
    for (const input of producer.input) visit(input);
  };
  visit(tensor);
  return [...(found.has(-1) ? [lowest] : []), ...(found.has(1) ? [highest] : [])];
}

function isStandard({ domain }: NodeProto): boolean {
  return domain === "" || domain === "ai.onnx";
}
