import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metric } from "../../../shared/metrics/metric.js";
import { differBeyondNoise } from "../../../shared/run/result/accuracy-difference.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

const mean = (rows: Float32Array): number => rows.reduce((sum, row) => sum + row, 0) / rows.length;
const metric = { rowWidth: 1, aggregate: mean } as unknown as Metric;
/** Rows of 1 for right and 0 for wrong samples: a share of them is wrong, and `more` further samples. */
function scores(share: number, more = 0, seed = 1): Float32Array {
  const random = new RandomValues(seed);
  const rows = Float32Array.from({ length: 400 }, () => (random.below(1000) < 1000 * share ? 0 : 1));
  for (let left = more; left > 0; ) {
    const sample = random.below(rows.length);
    if (rows[sample] === 1) left -= 1;
    rows[sample] = 0;
  }
  return rows;
}

const usual = scores(0.1);

test("accuracy does not differ if two of many trials differ in a few samples", () => {
  assert.equal(differBeyondNoise(metric, usual, scores(0.1, 3), 40), false);
  assert.equal(differBeyondNoise(metric, usual, usual, 40), false);
});

test("accuracy differs if they differ in many", () => {
  assert.equal(differBeyondNoise(metric, usual, scores(0.1, 60), 40), true);
});

test("a difference that is significant between two trials is not among many", () => {
  assert.equal(differBeyondNoise(metric, usual, scores(0.1, 8), 2), true);
  assert.equal(differBeyondNoise(metric, usual, scores(0.1, 8), 1000), false);
});
