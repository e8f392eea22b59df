import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { asymmetricRange, symmetricActivationRange } from "../../shared/quantization/arithmetic/range.js";
import { activationEstimator } from "../../shared/quantization/space/range-estimator.js";
import { readStatistics, writeStatisticsShard } from "../../shared/statistics/shard-store.js";
import {
  isErrorType,
  type SideEstimator,
  type StatisticEstimator,
} from "../../shared/statistics/statistic-type.js";
import { StatisticsTable } from "../../shared/statistics/table.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";

fc.configureGlobal({ seed: 8, numRuns: 200 });

const COLUMNS = [
  { tensor: "x", statistic: "min" },
  { tensor: "x", statistic: "max" },
  { tensor: "a long / name", statistic: "quantile.max.0.001" },
] as const;

/** Smallest and largest values of three samples. */
const VECTOR_17 = StatisticsTable.ofRows(
  [
    { tensor: "x", statistic: "min" },
    { tensor: "x", statistic: "max" },
  ],
  [Float32Array.of(0, 10), Float32Array.of(0, 8), Float32Array.of(-1, 20)],
);

const rows = fc
  .array(fc.array(fc.float({ noNaN: true }), { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 20 })
  .map((lists) => lists.map((values) => Float32Array.from(values)));

function contents(table: StatisticsTable): Float32Array[] {
  return table.columns.map(({ tensor, statistic }) => table.column(tensor, statistic));
}

function statistic({ type, ...others }: SideEstimator): StatisticEstimator {
  assert.ok(!isErrorType(type));
  return { type, ...others };
}

describe("Estimates of a tensor's range", () => {
  test("symmetric by default: min of the smallest, mean of the largest magnitudes", () => {
    const { min, max } = activationEstimator("default", "symmetric", "pertensor");
    const low = VECTOR_17.estimate("x", "min", statistic(min!));
    assert.equal(low, -1);
    const range = symmetricActivationRange(low, VECTOR_17.estimate("x", "max", statistic(max)), 8);
    assert.ok(Math.abs(range.low + 12.7664042) < 1e-6 && Math.abs(range.high - 12.6666667) < 1e-6);
  });

  test("asymmetric by default: means of both ends", () => {
    const { min, max } = activationEstimator("default", "asymmetric", "pertensor");
    const [low, high] = [
      VECTOR_17.estimate("x", "min", statistic(min!)),
      VECTOR_17.estimate("x", "max", statistic(max)),
    ];
    assert.ok(Math.abs(low + 1 / 3) < 1e-6 && Math.abs(high - 38 / 3) < 1e-6);
    const range = asymmetricRange(low, high, 8);
    assert.ok(Math.abs(range.low + 0.3575268817) < 1e-6 && Math.abs(range.high - 12.6666667) < 1e-6);
  });

  test("the largest magnitude is taken from the end further from zero, for each sample", () => {
    const table = StatisticsTable.ofRows(VECTOR_17.columns, [Float32Array.of(-7, 3), Float32Array.of(-1, 5)]);
    assert.equal(table.estimate("x", "max", { type: "abs_max", aggregator: "mean" }), 6);
    assert.equal(table.estimate("x", "max", { type: "abs_max", aggregator: "min" }), 5);
    assert.equal(table.estimate("x", "max", { type: "abs_max", aggregator: "mean" }), 6, "asked again");
  });
});

describe("A table as bytes", () => {
  test("is the same after encoding and decoding", () => {
    fc.assert(
      fc.property(rows, (samples) => {
        const table = StatisticsTable.ofRows(COLUMNS, samples);
        const decoded = StatisticsTable.decode(table.encode(), "k/1/0");
        assert.equal(decoded.samples, samples.length);
        assert.deepEqual(decoded.columns, COLUMNS);
        assert.deepEqual(contents(decoded), contents(table));
      }),
    );
  });

  test("shards joined in order equal one pass over all samples", () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(20), { maxLength: 3 }), (samples, cuts) => {
        const ends = [...cuts.map((cut) => Math.min(cut, samples.length)), samples.length].sort(
          (a, b) => a - b,
        );
        const shards = ends.map((end, i) =>
          StatisticsTable.ofRows(COLUMNS, samples.slice(ends[i - 1] ?? 0, end)),
        );
        const joined = StatisticsTable.concatenate(shards);
        assert.deepEqual(contents(joined), contents(StatisticsTable.ofRows(COLUMNS, samples)));
        assert.equal(joined.samples, samples.length);
      }),
    );
  });

  test("is refused with any byte changed, removed or added", () => {
    const bytes = StatisticsTable.ofRows(COLUMNS, [
      Float32Array.of(1, 2, 3),
      Float32Array.of(4, 5, 6),
    ]).encode();
    const refused = {
      code: "RUN_FAILED",
      message: "The statistics record k/1/0 is damaged; delete it, and it is gathered again.",
    };
    for (let i = 0; i < bytes.length; i++) {
      for (const flip of [1, 0x80]) {
        const damaged = Uint8Array.from(bytes);
        damaged[i]! ^= flip;
        assert.throws(() => StatisticsTable.decode(damaged, "k/1/0"), refused, `byte ${i}`);
      }
      assert.throws(() => StatisticsTable.decode(bytes.subarray(0, i), "k/1/0"), refused, `cut at ${i}`);
    }
    assert.throws(() => StatisticsTable.decode(Buffer.concat([bytes, Uint8Array.of(0)]), "k/1/0"), refused);
  });

  test("shards of different columns are not joined", () => {
    const shards = [COLUMNS, COLUMNS.toReversed()].map((columns) =>
      StatisticsTable.ofRows(columns, [Float32Array.of(1, 2, 3)]),
    );
    assert.throws(() => StatisticsTable.concatenate(shards), { code: "RUN_FAILED" });
  });
});

test("shards in a store are read as one table once all exist", async () => {
  const store = new MemoryObjectStore();
  const shard = (index: number) =>
    writeStatisticsShard(
      store,
      "statistics/k",
      { index, count: 2 },
      StatisticsTable.ofRows(COLUMNS, [Float32Array.of(index, 1, 2)]),
    );
  await shard(1);
  assert.equal(await readStatistics(store, "statistics/k", 2), undefined);
  await shard(0);
  const table = await readStatistics(store, "statistics/k", 2);
  assert.deepEqual(table?.column("x", "min"), Float32Array.of(0, 1));
});
