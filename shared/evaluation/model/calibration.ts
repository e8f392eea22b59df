import { DataError } from "../../basics/errors.js";
import type { Dataset } from "../../data/dataset.js";
import { createRandomStream } from "../../search/numerics/random.js";
import { type CalibrationBatches, locateBatch } from "../../statistics/collect.js";

/** Which calibration samples are used: the first, or as many at random (reference section 9, Sampler). */
export function calibrationSamples(
  available: number,
  {
    size,
    shuffle,
    seed,
  }: { readonly size: number | undefined; readonly shuffle: boolean; readonly seed: number },
): number[] {
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
 * One sample a batch, or as many as the model's fixed batch takes; an incomplete last one is left out.
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

/** Some of the batches, so that shards of them are all batches in order. */
export function sliceBatches(batches: CalibrationBatches, start: number, end: number): CalibrationBatches {
  return {
    count: end - start,
    batch: (index) => batches.batch(start + index),
    locate: (index) => locateBatch(batches, start + index),
  };
}
