import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planStatistics, statisticsSeconds } from "../../../../scripts/fleet/submission/statistics-plan.js";

const workOf = (batches: number, forms = 1, fixedBatch?: number) => ({
  calibrationBatches: { count: batches },
  fixedBatch,
  variants: { forms },
});
const MILLISECOND = 0.001;

describe("Statistics of a fleet's run", () => {
  test("take twice the float model's time, for each sample and each form of the model", () => {
    assert.equal(statisticsSeconds(workOf(100), MILLISECOND), 0.2);
    assert.equal(statisticsSeconds(workOf(100, 3, 4), MILLISECOND), 2.4);
  });

  test("are gathered by an evaluator when that is faster than starting collectors", () => {
    assert.deepEqual(planStatistics(workOf(900), MILLISECOND, 8), { shards: 1, by: "evaluators" });
    assert.deepEqual(planStatistics(workOf(1_100), MILLISECOND, 8), { shards: 8, by: "collectors" });
    assert.deepEqual(planStatistics(workOf(900, 2), MILLISECOND, 8), { shards: 8, by: "collectors" });
  });

  test("are spread over at most one collector per batch", () => {
    assert.deepEqual(planStatistics(workOf(3), 1, 8), { shards: 3, by: "collectors" });
  });
});
