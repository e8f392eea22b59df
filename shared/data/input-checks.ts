import { DataError } from "../basics/errors.js";
import { type ElementType, isElementType } from "../runtime/element-type.js";
import type { ModelPort } from "../runtime/tensor.js";
import type { Labels } from "./labels.js";

/**
 * The element type that arrays for a model's input are converted to.
 * @throws {DataError} when no array can hold it
 */
export function requireElementType(input: ModelPort, name: string): ElementType {
  if (isElementType(input.type)) return input.type;
  throw new DataError(
    `${name} feeds an input of type ${input.type}, which no array holds; export the model with a numeric input.`,
  );
}

/**
 * Checks an array's shape, except the first axis, which is the sample; an empty model shape is unknown and
 * fits all.
 * @throws {DataError} when they differ
 */
export function requireShape(
  shape: readonly number[],
  input: ModelPort,
  name: string,
  remedy = remedyOf(shape, input.shape),
): void {
  if (input.shape.length === 0 || fits(shape, input.shape)) return;
  const expected = input.shape.map((axis, position) =>
    position === 0 ? "samples" : isFixed(axis) ? axis : "any",
  );
  throw new DataError(
    `${name} has shape [${shape.join(", ")}], but the model takes [${expected.join(", ")}]; ${remedy}.`,
  );
}

function fits(shape: readonly number[], expected: ModelPort["shape"]): boolean {
  return (
    shape.length === expected.length &&
    expected.every((axis, position) => position === 0 || !isFixed(axis) || axis === shape[position])
  );
}

/** Transpositions between the axis orders in which exporters and datasets commonly differ. */
const ORDERS = [
  [0, 3, 1, 2],
  [0, 2, 3, 1],
  [0, 2, 1],
  [0, 4, 1, 2, 3],
  [0, 2, 3, 4, 1],
];

/**
 * The remedy of a shape mismatch. It names a transposition where one fits, as reshaping would mix the values
 * up.
 */
function remedyOf(shape: readonly number[], expected: ModelPort["shape"]): string {
  const order = ORDERS.find(
    (axes) =>
      axes.length === shape.length &&
      fits(
        axes.map((axis) => shape[axis]!),
        expected,
      ),
  );
  if (order !== undefined) {
    return `the axes are in another order, so transpose with (${order.join(", ")}): save numpy.ascontiguousarray(array.transpose(${order.join(", ")}))`;
  }
  const kept = expected.findIndex(
    (_, axis) =>
      axis > 0 &&
      shape.length === expected.length + 1 &&
      shape[axis + 1] === 1 &&
      expected.every((length, k) => k === axis || !isFixed(length) || length === shape[k + 1]),
  );
  if (kept > 0) return `if samples are stacked along axis ${kept} of the input, say "batch_axis": ${kept}`;
  return shape.length === expected.length ? "save an array of that shape" : "reshape the array";
}

export function isFixed(axis: number | string): axis is number {
  return typeof axis === "number" && axis > 0;
}

export function requireLabelCount(labels: Labels | undefined, samples: number, path: string): void {
  if (labels === undefined || labels.samples === samples) return;
  throw new DataError(
    `${labels.name} has ${labels.samples} labels, but ${path} has ${samples} samples; choose as many with rows.`,
  );
}
