import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gatheringSeconds, planGathering } from "../../../../scripts/fleet/submission/statistics-plan.js";

const toGather = (batches: number, forms = 1, fixedBatch?: number) => ({
  calibrationBatches: { count: batches },
  fixedBatch,
  variants: { forms },
});
const MILLISECOND = 0.001;

describe("Statistics of a fleet's run", () => {
  test("take twice the float model's time, for each sample and form of it", () => {
    assert.equal(gatheringSeconds(toGather(100), MILLISECOND), 0.2);
    assert.equal(gatheringSeconds(toGather(100, 3, 4), MILLISECOND), 2.4);
  });

  test("are an evaluator's where they take less than collectors take to start", () => {
    assert.deepEqual(planGathering(toGather(900), MILLISECOND, 8), { shards: 1, by: "evaluators" });
    assert.deepEqual(planGathering(toGather(1_100), MILLISECOND, 8), { shards: 8, by: "collectors" });
    assert.deepEqual(planGathering(toGather(900, 2), MILLISECOND, 8), { shards: 8, by: "collectors" });
  });

  test("are spread over no more collectors than there are batches", () => {
    assert.deepEqual(planGathering(toGather(3), 1, 8), { shards: 3, by: "collectors" });
  });
});
