import { DataError } from "../basics/errors.js";
import { asNumbers } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { argmax } from "./classes.js";
import { shapeOf } from "./output.js";

const BLANK = 0;

/**
 * The text of each class index: the blank first, then the characters. One class more than that is the space,
 * which some recognition models append.
 *
 * @throws {DataError} when the number of classes does not match the number of characters
 */
export function classCharacters(
  characters: readonly string[],
  classes: number,
  name: string,
): readonly string[] {
  const known = ["", ...characters];
  if (classes === known.length) return known;
  if (classes === known.length + 1) return [...known, " "];
  throw new DataError(
    `${name} has ${characters.length} characters, which with the blank make ${known.length} classes (${known.length + 1} with a space), but the model's output has ${classes}; give the characters that the model was trained with.`,
  );
}

/**
 * Checks that an output is `[samples, steps, classes]`.
 *
 * @returns the number of classes when the shape states it
 * @throws {DataError} when the shape is another
 */
export function requireSequenceShape({ name, shape }: ModelPort): number | undefined {
  const classes = shape[2];
  if (shape.length !== 0 && shape.length !== 3) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(shape)}, but a ctc decoder takes [samples, steps, classes]; choose another with engine.metric.output.`,
    );
  }
  return typeof classes === "number" && classes > 0 ? classes : undefined;
}

/**
 * Greedy CTC decoding (Graves et al., 2006): the best class of each step, with repeats merged and blanks
 * dropped.
 *
 * @param characters text of each class, as `classCharacters` returns it
 */
export function decodeGreedily(output: TensorValue, characters: readonly string[]): string[] {
  const [samples = 0, steps = 0, classes = 0] = output.dims;
  const values = asNumbers(output.type, output.data);
  return Array.from({ length: samples }, (_, sample) => {
    let text = "";
    let previous = BLANK;
    for (let step = 0; step < steps; step++) {
      const best = argmax(values, (sample * steps + step) * classes, classes);
      if (best !== previous && best > BLANK) text += characters[best] ?? "";
      previous = best;
    }
    return text;
  });
}
