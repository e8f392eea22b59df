import { DataError } from "../../errors.js";
import type { ValueSource } from "../../run/configuration/engine-schema.js";
import type { Elements, ElementType } from "./element-type.js";
import { allocateElements } from "./element-type.js";
import { preprocess } from "./preprocessing.js";
import type { ModelPort, TensorValue } from "./tensor.js";

/** What an input is fed in a batch of so many samples, where it is the same for all of them. */
export type ConstantInput = (samples: number) => TensorValue;

/**
 * Makes an input of a value in the configuration. One number fills the axes that the model fixes; a list holds their
 * elements in C order. Where the first axis is free it counts samples, and each gets the same.
 *
 * @param name how messages name the value
 * @throws DataError when it does not fit the model's input
 */
export function constantInput(
  { value }: ValueSource,
  { type, shape }: ModelPort & { readonly type: ElementType },
  name: string,
): ConstantInput {
  const numbers = Array.isArray(value) ? value : [Number(value)];
  const [first] = shape;
  const repeated = first !== undefined && !isFixed(first);
  const sampleShape = (repeated ? shape.slice(1) : shape).map((axis) => {
    if (isFixed(axis)) return axis;
    throw new DataError(
      `${name} feeds an input of shape [${shape.map((length) => length || "any").join(", ")}], of which a value does not tell the length of every axis; give an array.`,
    );
  });
  const size = sampleShape.reduce((product, axis) => product * axis, 1);
  // A model states no shape both of a scalar and where it does not know.
  const dims = shape.length === 0 && Array.isArray(value) ? [numbers.length] : sampleShape;
  if (shape.length > 0 && numbers.length > 1 && numbers.length !== size) {
    throw new DataError(
      `${name} has ${numbers.length} numbers, but the model takes [${sampleShape.join(", ")}]; give 1 or ${size}.`,
    );
  }
  const whole = Float64Array.from({ length: Math.max(size, numbers.length) }, (_, index) =>
    numbers.length === 1 ? numbers[0]! : numbers[index]!,
  );
  const data = preprocess(whole, "float64", type, { scale: 1 }, { channels: 1, inner: whole.length }, name);
  if (!repeated) return () => ({ type, dims, data });
  return (samples) => ({ type, dims: [samples, ...dims], data: repeat(data, samples, type) });
}

function repeat(data: Elements, times: number, type: ElementType): Elements {
  const all = allocateElements(type, data.length * times);
  for (let time = 0; time < times; time++) all.set(data as never, time * data.length);
  return all;
}

function isFixed(axis: number | string): axis is number {
  return typeof axis === "number" && axis > 0;
}
