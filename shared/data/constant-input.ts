import { DataError } from "../basics/errors.js";
import type { ValueSource } from "../configuration/engine-schema.js";
import type { Elements, ElementType } from "../runtime/element-type.js";
import { allocateElements, isFloating } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { moveAxis } from "./move-axis.js";
import { preprocess } from "./preprocessing.js";

/** Returns the tensor of a constant input for a batch of `samples` samples. */
export type ConstantInput = (samples: number) => TensorValue;

/**
 * Creates an input from a constant value in the configuration. A single number fills all fixed axes of the
 * model's input; a list holds its elements in C order. The dynamic sample axis (the first unless `batch_axis`
 * names another) repeats the value for every sample.
 *
 * @param name of the value in messages
 * @throws {DataError} when it does not fit the model's input
 */
export function constantInput(
  { value, batch_axis: batchAxis = 0 }: ValueSource,
  { type, shape }: ModelPort & { readonly type: ElementType },
  name: string,
): ConstantInput {
  const numbers = Array.isArray(value) ? value : [Number(value)];
  const counted = shape[batchAxis];
  const repeated = counted !== undefined && !isFixed(counted);
  const sampleShape = fixedAxes(shape, repeated ? batchAxis : undefined, name);
  const size = sampleShape.reduce((product, axis) => product * axis, 1);
  // The model's metadata have an empty shape both for a scalar and for an unknown shape.
  const dims = shape.length === 0 && Array.isArray(value) ? [numbers.length] : sampleShape;
  if (shape.length > 0 && numbers.length > 1 && numbers.length !== size) {
    throw new DataError(
      `${name} has ${numbers.length} numbers, but the model takes [${sampleShape.join(", ")}]; give 1 or ${size}.`,
    );
  }
  const fraction = isFloating(type) ? undefined : numbers.find((number) => !Number.isInteger(number));
  if (fraction !== undefined)
    throw new DataError(`${name} is ${fraction}, but the model takes ${type}; give a whole number.`);
  const whole = Float64Array.from({ length: Math.max(size, numbers.length) }, (_, index) =>
    numbers.length === 1 ? numbers[0]! : numbers[index]!,
  );
  const data = preprocess(whole, "float64", type, { scale: 1 }, { channels: 1, inner: whole.length }, name);
  if (!repeated) return () => ({ type, dims, data });
  return (samples) =>
    moveAxis({ type, dims: [samples, ...dims], data: repeat(data, samples, type) }, 0, batchAxis);
}

/** The lengths of all axes of a model's input except the sample axis. */
function fixedAxes(shape: ModelPort["shape"], counted: number | undefined, name: string): readonly number[] {
  const others = shape.filter((_, axis) => axis !== counted);
  const fixed = others.filter(isFixed);
  if (fixed.length === others.length) return fixed;
  const free = shape.flatMap((length, axis) => (isFixed(length) ? [] : [axis]));
  const remedy =
    free.length === 1 ? `name the axis that counts samples as "batch_axis": ${free[0]}` : "give an array";
  throw new DataError(
    `${name} feeds an input of shape [${shape.map((length) => length || "any").join(", ")}], of which a value does not tell the length of every axis; ${remedy}.`,
  );
}

function repeat(data: Elements, times: number, type: ElementType): Elements {
  const all = allocateElements(type, data.length * times);
  for (let time = 0; time < times; time++) all.set(data as never, time * data.length);
  return all;
}

function isFixed(axis: number | string): axis is number {
  return typeof axis === "number" && axis > 0;
}
