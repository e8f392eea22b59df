import { DataError } from "../../basics/errors.js";
import type { Dataset } from "../../data/dataset.js";
import type { Sampling } from "../../quantization/algorithms/algorithm-parameters.js";
import { createRandomStream } from "../../search/numerics/random.js";
import { type CalibrationBatches, locateBatch } from "../../statistics/collect.js";

/** Indexes of the calibration samples that are used: the first `size`, or `size` drawn at random. */
export function calibrationSamples(available: number, { size, shuffle, seed }: Sampling): number[] {
  const samples = Array.from({ length: available }, (_, i) => i);
  const count = Math.min(size ?? available, available);
  if (!shuffle) return samples.slice(0, count);
  const random = createRandomStream(seed, 0, "sample-order");
  for (let i = 0; i < count; i++) {
    const j = i + random.below(available - i);
    [samples[i], samples[j]] = [samples[j]!, samples[i]!];
  }
  return samples.slice(0, count);
}

/**
 * Batches of one sample, or of the model's fixed batch size; an incomplete last batch is left out.
 * @throws {DataError} when there is no complete batch
 */
export function calibrationBatches(dataset: Dataset, samples: readonly number[]): CalibrationBatches {
  const size = dataset.fixedBatch ?? 1;
  if (samples.length < size) {
    throw new DataError(
      `engine.calibration has ${samples.length} samples, but the model takes batches of ${size}; give at least ${size}.`,
    );
  }
  const of = (index: number): number[] => samples.slice(index * size, (index + 1) * size);
  return {
    count: Math.floor(samples.length / size),
    batch: (index) => dataset.batch(of(index)),
    locate: (index) => dataset.locate(of(index)),
  };
}

/** The batches from `start` up to `end`. */
export function sliceBatches(batches: CalibrationBatches, start: number, end: number): CalibrationBatches {
  return {
    count: end - start,
    batch: (index) => batches.batch(start + index),
    locate: (index) => locateBatch(batches, start + index),
  };
}
