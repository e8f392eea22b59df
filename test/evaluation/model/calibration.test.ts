import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { shardRange } from "../../../shared/basics/identifiers.js";
import type { Dataset } from "../../../shared/data/dataset.js";
import {
  calibrationBatches,
  calibrationSamples,
  sliceBatches,
} from "../../../shared/evaluation/model/calibration.js";

fc.configureGlobal({ seed: 13, numRuns: 200 });

describe("Calibration samples", () => {
  test("are the first ones, as many as requested and available", () => {
    const options = { shuffle: false, seed: 0 };
    assert.deepEqual(calibrationSamples(5, { ...options, size: 3 }), [0, 1, 2]);
    assert.deepEqual(calibrationSamples(5, { ...options, size: 9 }), [0, 1, 2, 3, 4]);
    assert.deepEqual(calibrationSamples(3, { ...options, size: undefined }), [0, 1, 2]);
  });

  test("drawn at random are distinct, repeatable by the seed, and differ between seeds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(250), fc.nat(1000), (available, size, seed) => {
        const drawn = calibrationSamples(available, { size, shuffle: true, seed });
        assert.equal(new Set(drawn).size, Math.min(size, available));
        assert.ok(drawn.every((sample) => sample >= 0 && sample < available));
        assert.deepEqual(calibrationSamples(available, { size, shuffle: true, seed }), drawn);
      }),
    );
    const drawn = (seed: number) => calibrationSamples(1000, { size: 10, shuffle: true, seed });
    assert.notDeepEqual(drawn(1), drawn(2));
  });
});

describe("Calibration batches", () => {
  /** A dataset whose batches hold the indexes of their samples. */
  const dataset: Dataset = {
    samples: 1000,
    contentHash: "",
    fixedBatch: undefined,
    locate: () => "samples",
    extremes: () => [],
    sampleKeys: async () => [],
    verify: async () => undefined,
    batch: (samples) => {
      const numbers = Array.isArray(samples) ? Float32Array.from(samples) : new Float32Array(0);
      return { x: { type: "float32", data: numbers, dims: [numbers.length] } };
    },
    labels: () => undefined,
  };
  const everything = async (batches: ReturnType<typeof calibrationBatches>): Promise<number[][]> => {
    const all: number[][] = [];
    for (let i = 0; i < batches.count; i++) {
      all.push(Array.from((await batches.batch(i)).x!.data as Float32Array));
    }
    return all;
  };

  test("in shards are, in order, those of one pass, for any fixed batch", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(999), { minLength: 8, maxLength: 40 }),
        fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
        fc.integer({ min: 1, max: 5 }),
        async (samples, fixedBatch, shards) => {
          const whole = calibrationBatches({ ...dataset, fixedBatch }, samples);
          const count = Math.min(shards, whole.count);
          const parts: number[][] = [];
          for (let index = 0; index < count; index++) {
            const { start, end } = shardRange({ index, count }, whole.count);
            const shard = await everything(sliceBatches(whole, start, end));
            assert.ok(shard.length > 0, "no shard is empty");
            parts.push(...shard);
          }
          assert.deepEqual(parts, await everything(whole));
          for (const batch of parts) assert.equal(batch.length, fixedBatch ?? 1);
        },
      ),
    );
  });

  test("are refused where there are fewer samples than one fixed batch", () => {
    assert.throws(() => calibrationBatches({ ...dataset, fixedBatch: 4 }, [1, 2, 3]), {
      code: "DATA",
      message: "engine.calibration has 3 samples, but the model takes batches of 4; give at least 4.",
    });
  });
});
