import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { aggregate } from "../../shared/statistics/aggregator.js";
import { quantileOfSorted } from "../../shared/statistics/quantile.js";
import type { Aggregator } from "../../shared/statistics/statistic-type.js";

fc.configureGlobal({ seed: 7, numRuns: 300 });

/** The expected values are given to four to seven digits. */
const PRINTED = 5e-5;

describe("Aggregators give the values of POT on small examples", () => {
  test("the largest values of three samples", () => {
    const largest = [10, 8, 20];
    const asked = ["mean", "max", "median", "hl_estimator", "power_of_2", "batch_mean"] as const;
    const found = asked.map((a) => aggregate(a, largest));
    [12.6667, 20, 10, 14, 32, 12.6667].forEach((expected, i) => {
      assert.ok(Math.abs(found[i]! - expected) < PRINTED);
    });
  });

  test("the 0.9 quantile of each sample, and their mean", () => {
    const samples = [
      [0, 1, 2, 3, 10],
      [0, 2, 4, 6, 8],
      [-1, 0, 1, 1, 20],
    ];
    const quantiles = samples.map((sample) => quantileOfSorted(sample, 0.9));
    [7.2, 7.2, 12.4].forEach((expected, i) => {
      assert.ok(Math.abs(quantiles[i]! - expected) < 1e-12);
    });
    assert.ok(Math.abs(aggregate("mean", quantiles) - 8.9333) < PRINTED);
  });

  test("Hodges-Lehmann, and the values between the 1 % and 99 % quantiles", () => {
    assert.equal(aggregate("hl_estimator", [1, 2, 3, 10]), 4);
    assert.equal(aggregate("mean_no_outliers", [1, 2, 3, 100]), 2.5);
    assert.equal(aggregate("median_no_outliers", [1, 2, 3, 100]), 2.5);
  });
});

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function inliers(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [quantileOfSorted(sorted, 0.01), quantileOfSorted(sorted, 0.99)];
  const kept = sorted.filter((value) => low <= value && value <= high);
  return kept.length === 0 ? sorted : kept;
}

function pairSums(values: readonly number[]): number[] {
  return values.flatMap((value, i) => values.slice(0, i).map((other) => value + other));
}

const BY_DEFINITION: Readonly<
  Record<Exclude<Aggregator, "power_of_2">, (values: readonly number[]) => number>
> = {
  mean,
  batch_mean: mean,
  max: (values) => Math.max(...values),
  min: (values) => Math.min(...values),
  median,
  mean_no_outliers: (values) => mean(inliers(values)),
  median_no_outliers: (values) => median(inliers(values)),
  hl_estimator: (values) => (values.length === 1 ? values[0]! : median(pairSums(values)) / 2),
};

describe("Aggregators, by their definitions", () => {
  const samples = fc
    .array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 1, maxLength: 40 })
    .map((values) => Float32Array.from(values));
  for (const [name, definition] of Object.entries(BY_DEFINITION) as [
    keyof typeof BY_DEFINITION,
    typeof mean,
  ][]) {
    test(`${name} does not depend on the order of samples and lies between the smallest and the largest value`, () => {
      fc.assert(
        fc.property(samples, (values) => {
          const found = aggregate(name, values);
          assert.ok(Math.abs(found - definition([...values])) <= 1e-9);
          assert.ok(Math.abs(found - aggregate(name, values.toReversed())) <= 1e-9);
          assert.ok(found >= Math.min(...values) - 1e-9 && found <= Math.max(...values) + 1e-9);
          assert.equal(aggregate(name, values.slice(0, 1)), values[0]);
        }),
      );
    });
  }
  test("power_of_2 is a power of two of the largest value's sign, at least its magnitude and less than twice it", () => {
    fc.assert(
      fc.property(samples, (values) => {
        const found = aggregate("power_of_2", values);
        const furthest = [...values].reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
        assert.ok(found === 0 || Number.isInteger(Math.log2(Math.abs(found))));
        assert.ok(Math.abs(found) >= Math.abs(furthest));
        assert.ok(furthest === 0 ? found === 0 : Math.abs(found) < 2 * Math.abs(furthest));
        assert.ok(furthest === 0 || Math.sign(found) === Math.sign(furthest));
      }),
    );
  });
});
