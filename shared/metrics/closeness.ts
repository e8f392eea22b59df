import { DataError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import { asNumbers } from "../runtime/element-type.js";
import type { ModelPort } from "../runtime/tensor.js";
import { bootstrapInterval } from "./interval.js";
import { meanMetric } from "./mean-metric.js";
import type { Metric, ModelOutputs, Reference } from "./metric.js";
import { outputNamed, shapeOf } from "./output.js";
import { UnscorableSampleError } from "./unscorable.js";

/**
 * Metrics that compare outputs with expected ones: the labels where there are any, otherwise the float
 * model's outputs.
 */

/**
 * Upper limit of the signal-to-noise ratio, which is infinite without noise; 32-bit floats reach about 150
 * dB.
 */
const HIGHEST_SQNR_DECIBELS = 200;

type Numbers = ReturnType<typeof asNumbers>;

/** Mean over samples of each sample's mean squared difference. */
export function meanSquaredError(output: ModelPort, needs: Reference["kind"]): Metric {
  return meanMetric({
    name: "mse",
    direction: "minimize",
    needs,
    range: undefined,
    checkLabels(labels, name) {
      if (needs === "labels") checkExpected(labels, name, output);
    },
    score: (outputs, reference) =>
      eachSample(outputs, reference, output.name, 1, (given, expected, start, end) => [
        squaredDifference(given, expected, start, end) / (end - start),
      ]),
  });
}

/**
 * Mean over samples of the cosine of the angle between actual and expected values; 1 where both are all zero.
 */
export function cosineSimilarity(output: ModelPort, needs: Reference["kind"]): Metric {
  return meanMetric({
    name: "cosine",
    direction: "maximize",
    needs,
    range: [-1, 1],
    checkLabels(labels, name) {
      if (needs === "labels") checkExpected(labels, name, output);
    },
    score: (outputs, reference) =>
      eachSample(outputs, reference, output.name, 1, (given, expected, start, end) => [
        cosine(given, expected, start, end),
      ]),
  });
}

/** Signal-to-quantization-noise ratio in decibels: `10 log10(sum expected^2 / sum (actual - expected)^2)`. */
export function signalToQuantizationNoise(output: ModelPort, needs: Reference["kind"]): Metric {
  return {
    name: "sqnr",
    direction: "maximize",
    needs,
    /**
     * Numbers in the row that is kept of each sample: the roots of the energies of signal and noise, as the
     * squares of float32 outputs may overflow or vanish.
     */
    rowWidth: 2,
    perSampleMean: false,
    range: undefined,
    checkLabels(labels, name) {
      if (needs === "labels") checkExpected(labels, name, output);
    },
    score: (outputs, reference) =>
      eachSample(outputs, reference, output.name, 2, (given, expected, start, end) => [
        Math.sqrt(energy(expected, start, end)),
        Math.sqrt(squaredDifference(given, expected, start, end)),
      ]),
    aggregate: decibels,
    interval: (rows) => bootstrapInterval(rows, 2, decibels),
    // Decibels have no absolute zero, so the loss is the increase of the noise's amplitude relative to the
    // signal's.
    loss: (floatValue, value) => 10 ** (-value / 20) - 10 ** (-floatValue / 20),
  };
}

function decibels(rows: Float32Array): number {
  let signal = 0;
  let noise = 0;
  for (let index = 0; index < rows.length; index += 2) {
    signal += rows[index]! ** 2;
    noise += rows[index + 1]! ** 2;
  }
  if (noise === 0) return HIGHEST_SQNR_DECIBELS;
  if (signal === 0) return -HIGHEST_SQNR_DECIBELS;
  return Math.min(HIGHEST_SQNR_DECIBELS, 10 * Math.log10(signal / noise));
}

function squaredDifference(given: Numbers, expected: Numbers, start: number, end: number): number {
  let sum = 0;
  for (let index = start; index < end; index++) sum += (given[index]! - expected[index]!) ** 2;
  return sum;
}

function energy(values: Numbers, start: number, end: number): number {
  let sum = 0;
  for (let index = start; index < end; index++) sum += values[index]! ** 2;
  return sum;
}

function cosine(given: Numbers, expected: Numbers, start: number, end: number): number {
  let product = 0;
  for (let index = start; index < end; index++) product += given[index]! * expected[index]!;
  const lengths = Math.sqrt(energy(given, start, end)) * Math.sqrt(energy(expected, start, end));
  if (lengths === 0) return energy(given, start, end) === energy(expected, start, end) ? 1 : 0;
  return Math.max(-1, Math.min(1, product / lengths));
}

type SampleScore = (given: Numbers, expected: Numbers, start: number, end: number) => readonly number[];

function eachSample(
  outputs: ModelOutputs,
  reference: Reference,
  name: string,
  width: number,
  score: SampleScore,
): Float32Array {
  const output = outputNamed(outputs, name);
  const given = asNumbers(output.type, output.data);
  const expected = expectedValues(reference, name);
  if (given.length !== expected.values.length) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(output.dims)}, but ${shapeOf(expected.shape)} is expected; choose another with engine.metric.output.`,
    );
  }
  const samples = output.dims[0] ?? 0;
  const size = given.length / samples;
  if (size === 0) {
    throw new DataError(
      `the model's output ${JSON.stringify(name)} has shape ${shapeOf(output.dims)}, which holds no values to compare; choose another with engine.metric.output.`,
    );
  }
  const rows = new Float32Array(samples * width);
  for (let sample = 0; sample < samples; sample++) {
    const row = score(given, expected.values, sample * size, (sample + 1) * size);
    if (!row.every((value) => Number.isFinite(Math.fround(value)))) {
      const seen = given.subarray(sample * size, (sample + 1) * size);
      const values = seen.every(Number.isFinite)
        ? "values whose squares 32 bits cannot hold"
        : "values that are not finite";
      throw new UnscorableSampleError(
        `the model's output ${JSON.stringify(name)} holds ${values}, so it cannot be scored.`,
        sample,
      );
    }
    rows.set(row, sample * width);
  }
  return rows;
}

function expectedValues(
  reference: Reference,
  name: string,
): { readonly values: Numbers; readonly shape: readonly number[] } {
  if (reference.kind === "float outputs") {
    const output = outputNamed(reference.outputs, name);
    return { values: asNumbers(output.type, output.data), shape: output.dims };
  }
  const { labels } = reference;
  if (labels.kind === "numbers") return { values: labels.data, shape: labels.shape };
  throw new DataError(
    "engine.evaluation.labels holds text, but this metric compares numbers; give an array, or no labels to compare with the float model.",
  );
}

function checkExpected(labels: LabelSlice, name: string, { name: output, shape }: ModelPort): void {
  const fits =
    labels.kind === "numbers" &&
    (shape.length === 0 ||
      (labels.shape.length === shape.length &&
        shape.every(
          (axis, position) => position === 0 || typeof axis === "string" || axis === labels.shape[position],
        )));
  if (fits) return;
  const found = labels.kind === "numbers" ? `has shape ${shapeOf(labels.shape)}` : "holds text";
  throw new DataError(
    `${name} ${found}, but is compared with the model's output ${JSON.stringify(output)} of shape ${shapeOf(shape)}; remove the labels to compare with the float model.`,
  );
}
