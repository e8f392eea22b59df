import { DataError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import { asNumbers, isElementType, isFloating } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { shapeOf } from "./output.js";

/**
 * An output of one score per class and sample, or, when `classes` is undefined, of one class index per
 * sample.
 */
interface ClassOutput {
  readonly samples: number;
  readonly classes: number | undefined;
  readonly values: ReturnType<typeof asNumbers>;
}

/**
 * Checks that an output holds one class index, or one score per class, for every sample.
 *
 * @returns the number of classes when the shape states it
 * @throws {DataError} when the shape is another
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

/**
 * The class with the highest score for each sample, the lowest index among equals as in numpy's argmax; -1
 * where a score is NaN.
 */
export function bestClasses(output: TensorValue, name: string): Int32Array {
  const { samples, classes, values } = classOutput(output, name);
  return Int32Array.from({ length: samples }, (_, sample) =>
    classes === undefined ? values[sample]! : argmax(values, sample * classes, classes),
  );
}

/** Index, counted from `start` in steps of `stride`, of the first of the largest values; -1 when a value is NaN. */
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

/**
 * For each sample 1 when its label is among the `k` highest-scored classes, otherwise 0; among equal scores
 * lower indices rank first.
 */
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
      // Negated so that NaN ranks before the label: a sample with NaN counts as wrong.
      if (!(value < score || (value === score && other >= label))) before++;
    }
    return before < k ? 1 : 0;
  });
}

/**
 * Labels as class indices, one per sample.
 *
 * @throws {DataError} when the labels are not one whole number from 0 on per sample, below `classes` where
 * given
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
  if (labels.shape.slice(1).some((axis) => axis !== 1)) {
    throw new DataError(
      `${name} has shape ${shapeOf(labels.shape)}, but this metric takes one class a sample; save argmax over the classes.`,
    );
  }
  if (!labels.integers) {
    throw new DataError(
      `${name} holds floating-point numbers, but this metric takes classes; save the labels as integers.`,
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
