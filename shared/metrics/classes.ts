import { DataError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import { asNumbers, isElementType, isFloating } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { shapeOf } from "./output.js";

/** A score for each class of each sample, or, with `classes` undefined, the class itself. */
interface ClassOutput {
  readonly samples: number;
  readonly classes: number | undefined;
  readonly values: ReturnType<typeof asNumbers>;
}

/**
 * Refuses an output that does not hold one class, or one score a class, for every sample.
 *
 * @returns the number of classes where the shape states it
 */
export function requireClassShape({ name, type, shape }: ModelPort): number | undefined {
  const [, classes, ...rest] = shape;
  const flat = rest.every((axis) => typeof axis === "string" || axis === 1);
  const isClassItself = isElementType(type) && !isFloating(type) && (classes === undefined || classes === 1);
  const fits = shape.length === 0 || isClassItself || (classes !== undefined && classes !== 1 && flat);
  if (!fits) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(shape)}, but this metric takes [samples, classes]; choose another with engine.metric.output, or another metric.`,
    );
  }
  return typeof classes === "number" && classes > 1 ? classes : undefined;
}

function classOutput(output: TensorValue, name: string): ClassOutput {
  const classes = requireClassShape({ name, type: output.type, shape: output.dims });
  return { samples: output.dims[0] ?? 0, classes, values: asNumbers(output.type, output.data) };
}

/** The best class of each sample, the lowest one among equals, as numpy's argmax. -1 where a score is NaN. */
export function bestClasses(output: TensorValue, name: string): Int32Array {
  const { samples, classes, values } = classOutput(output, name);
  return Int32Array.from({ length: samples }, (_, sample) =>
    classes === undefined ? values[sample]! : argmax(values, sample * classes, classes),
  );
}

/** Index of the first greatest value from `start` on; -1 when one of them is NaN. */
export function argmax(
  values: ReturnType<typeof asNumbers>,
  start: number,
  count: number,
  stride = 1,
): number {
  let best = 0;
  for (let index = 0; index < count; index++) {
    const value = values[start + index * stride]!;
    if (Number.isNaN(value)) return -1;
    if (value > values[start + best * stride]!) best = index;
  }
  return best;
}

/** Whether each sample's label is among the `k` best classes, where lower classes go first among equals. */
export function labelAmongBest(
  output: TensorValue,
  name: string,
  labels: Int32Array,
  k: number,
): Float32Array {
  if (k === 1)
    return Float32Array.from(bestClasses(output, name), (best, sample) => (best === labels[sample] ? 1 : 0));
  const { samples, classes, values } = classOutput(output, name);
  if (classes === undefined) {
    throw new DataError(`the model's output ${JSON.stringify(name)} holds classes, not scores; use top_k 1.`);
  }
  return Float32Array.from({ length: samples }, (_, sample) => {
    const label = labels[sample]!;
    const score = values[sample * classes + label]!;
    let before = 0;
    for (let other = 0; other < classes; other++) {
      const value = values[sample * classes + other]!;
      // Negated so that NaN counts as better: a sample with NaN is wrong.
      if (!(value < score || (value === score && other >= label))) before++;
    }
    return before < k ? 1 : 0;
  });
}

/**
 * Labels as classes, one a sample.
 *
 * @throws DataError when they are not whole numbers from 0 on, one a sample, below `classes` where that is known
 */
export function classLabels(labels: LabelSlice, name: string, classes?: number): Int32Array {
  const found = labels.kind === "lines" ? parseClasses(labels.lines, name) : onePerSample(labels, name);
  const limit = classes ?? 2 ** 31;
  const wrong = found.findIndex((label) => !(label >= 0 && label < limit));
  if (wrong >= 0) {
    const range =
      classes === undefined ? "from 0 on" : `from 0 to ${classes - 1}, as the model has ${classes} classes`;
    throw new DataError(
      `${name} holds class ${found[wrong]} for sample ${wrong}, but classes count ${range}; correct the labels.`,
    );
  }
  return found instanceof Int32Array ? found : Int32Array.from(found);
}

function onePerSample(labels: Extract<LabelSlice, { kind: "numbers" }>, name: string) {
  if (!labels.integers) {
    throw new DataError(
      `${name} holds fractions, but this metric takes classes; save the labels as integers.`,
    );
  }
  if (labels.shape.slice(1).some((axis) => axis !== 1)) {
    throw new DataError(
      `${name} has shape ${shapeOf(labels.shape)}, but this metric takes one class a sample; save argmax over the classes.`,
    );
  }
  return labels.data;
}

function parseClasses(lines: readonly string[], name: string): Float64Array {
  return Float64Array.from(lines, (line, index) => {
    if (/^\s*\d{1,10}\s*$/.test(line)) return Number(line);
    throw new DataError(
      `${name} holds ${JSON.stringify(line.slice(0, 40))} for sample ${index}, but this metric takes the number of a class; correct the line.`,
    );
  });
}
