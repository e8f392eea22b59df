import { ConfigurationError, DataError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import { asNumbers } from "../runtime/element-type.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { argmax } from "./classes.js";
import { bootstrapInterval } from "./interval.js";
import { type Metric, relativeLoss } from "./metric.js";
import { labelsOf, outputNamed, requireSameSamples, shapeOf } from "./output.js";

/**
 * Mean intersection over union. A class's intersection counts the pixels labelled and predicted as the class,
 * its union those labelled or predicted so, both over all samples; the mean is over the classes that occur.
 *
 * @param output scores `[samples, classes, height, width]`, or class indices `[samples, height, width]`
 * @param configured number of classes, when the shape does not state it
 * @param ignored label of pixels that are not counted
 */
export function meanIntersectionOverUnion(
  output: ModelPort,
  configured: number | undefined,
  ignored: number,
): Metric {
  const classes = classCount(output, configured);
  return {
    name: "miou",
    direction: "maximize",
    needs: "labels",
    /**
     * Numbers in the row that is kept of each sample: for each class, the pixels in the intersection and in the
     * union.
     */
    rowWidth: 2 * classes,
    perSampleMean: false,
    range: undefined,
    checkLabels: (labels, name) => checkPixelLabels(labels, name, classes, ignored),
    score(outputs, reference) {
      const predicted = pixelClasses(outputNamed(outputs, output.name), output.name, classes);
      const labels = pixelLabels(labelsOf(reference), "engine.evaluation.labels");
      requireSameSamples(predicted.samples, labels.samples, output.name);
      if (predicted.classes.length !== labels.data.length) {
        throw new DataError(
          `the model's output ${JSON.stringify(output.name)} has ${predicted.classes.length / predicted.samples} pixels a sample, but the labels have ${labels.data.length / labels.samples}; scale the labels to the output's size.`,
        );
      }
      return countPixels(predicted.classes, labels.data, labels.samples, classes, ignored);
    },
    aggregate: (rows) => meanOverClasses(rows, classes),
    interval: (rows) =>
      bootstrapInterval(rows, 2 * classes, (resample) => meanOverClasses(resample, classes)),
    loss: (floatValue, value) => relativeLoss("maximize", floatValue, value),
  };
}

function classCount({ name, shape }: ModelPort, configured: number | undefined): number {
  const stated = shape.length === 4 ? shape[1] : undefined;
  if (shape.length !== 0 && shape.length !== 3 && shape.length !== 4) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(shape)}, but miou takes [samples, classes, height, width]; choose another with engine.metric.output.`,
    );
  }
  if (typeof stated === "number" && stated > 0) {
    if (configured === undefined || configured === stated) return stated;
    throw new ConfigurationError(
      `engine.metric.classes is ${configured}, but the model's output ${JSON.stringify(name)} has ${stated}; remove it.`,
      "engine.metric.classes",
    );
  }
  if (configured !== undefined) return configured;
  throw new ConfigurationError(
    `engine.metric.classes is missing, and the model's output ${JSON.stringify(name)} does not state it; give the number of classes.`,
    "engine.metric.classes",
  );
}

function pixelClasses(output: TensorValue, name: string, classes: number) {
  const values = asNumbers(output.type, output.data);
  const samples = output.dims[0] ?? 0;
  if (output.dims.length === 3) return { samples, classes: values };
  if (output.dims.length !== 4 || output.dims[1] !== classes) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(output.dims)}, but miou takes [samples, ${classes}, height, width]; correct engine.metric.`,
    );
  }
  const area = values.length / samples / classes;
  const found = new Int32Array(samples * area);
  for (let sample = 0; sample < samples; sample++) {
    for (let pixel = 0; pixel < area; pixel++) {
      found[sample * area + pixel] = argmax(values, sample * classes * area + pixel, classes, area);
    }
  }
  return { samples, classes: found };
}

function pixelLabels(labels: LabelSlice, name: string) {
  if (labels.kind === "numbers" && labels.integers && labels.shape.length >= 3) {
    return { samples: labels.shape[0] ?? 0, data: labels.data };
  }
  throw new DataError(
    `${name} is not an integer array of a class a pixel, [samples, height, width], which miou takes; save the masks so.`,
  );
}

function checkPixelLabels(labels: LabelSlice, name: string, classes: number, ignored: number): void {
  const { data } = pixelLabels(labels, name);
  const wrong = data.findIndex((label) => !(label >= 0 && label < classes) && label !== ignored);
  if (wrong < 0) return;
  throw new DataError(
    `${name} holds class ${data[wrong]}, but the model has ${classes} classes; correct the labels, or give that class as engine.metric.ignore_label.`,
  );
}

function countPixels(
  predicted: ReturnType<typeof asNumbers>,
  labels: ReturnType<typeof asNumbers>,
  samples: number,
  classes: number,
  ignored: number,
): Float32Array {
  const rows = new Float32Array(samples * 2 * classes);
  const area = labels.length / samples;
  for (let sample = 0; sample < samples; sample++) {
    const row = sample * 2 * classes;
    for (let pixel = sample * area; pixel < (sample + 1) * area; pixel++) {
      const label = labels[pixel]!;
      if (label === ignored) continue;
      const found = predicted[pixel]!;
      rows[row + 2 * label + 1]!++;
      if (found === label) rows[row + 2 * label]!++;
      else if (found >= 0 && found < classes) rows[row + 2 * found + 1]!++;
    }
  }
  return rows;
}

function meanOverClasses(rows: Float32Array, classes: number): number {
  const totals = new Float64Array(2 * classes);
  for (let index = 0; index < rows.length; index++) totals[index % totals.length]! += rows[index]!;
  let sum = 0;
  let occurring = 0;
  for (let label = 0; label < classes; label++) {
    if (totals[2 * label + 1] === 0) continue;
    sum += totals[2 * label]! / totals[2 * label + 1]!;
    occurring++;
  }
  return occurring === 0 ? 0 : sum / occurring;
}
