import { DataError } from "../basics/errors.js";
import { asNumbers } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { argmax } from "./classes.js";
import { shapeOf } from "./output.js";

const BLANK = 0;

/**
 * What each class stands for: blank first, then the characters; a class more than that is the space, which some
 * recognition models append.
 *
 * @throws DataError when the numbers of classes and characters do not go together
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
 * Refuses an output that is not `[samples, steps, classes]`.
 *
 * @returns the number of classes where the shape states it
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
 * Greedy CTC decoding (Graves et al., 2006): the best class of each step, repeats merged, blanks dropped.
 *
 * @param characters what each class stands for, as `classCharacters` gives it
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
