import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MEASURED_TIMES, RAMPS, type ScaleOptions, simulateScale } from "./scale-model.js";

const fleet: ScaleOptions = {
  evaluators: 64,
  trialMilliseconds: 5_000,
  shards: 1,
  trialsPerEvaluator: 10,
  ramp: RAMPS.none,
};

describe("scale model", () => {
  test("has an overhead per trial only, while there is no bottleneck", async () => {
    const { efficiency, coordinatorBusy } = await simulateScale(fleet);
    assert.ok(efficiency > 0.88 && efficiency < 0.97, `${efficiency}`);
    assert.ok(coordinatorBusy < 0.6, `${coordinatorBusy}`);
  });

  test("is limited by the coordinator's batches of ten", async () => {
    const times = { ...MEASURED_TIMES, ask: 50 };
    const { invoke, reduce, ask, send } = times;
    const { resultsPerSecond, coordinatorBusy } = await simulateScale({
      ...fleet,
      trialMilliseconds: 500,
      times,
    });
    // Asking the sampler takes longer than the concurrent save.
    const bound = 10_000 / (invoke + 10 * (reduce + ask) + send);
    assert.ok(coordinatorBusy > 0.9, `${coordinatorBusy}`);
    assert.ok(resultsPerSecond > 0.85 * bound && resultsPerSecond < 1.15 * bound, `${resultsPerSecond}`);
  });

  test("counts every shard as an event, and waits for the ramp of the event source", async () => {
    const whole = await simulateScale(fleet);
    const ramped = await simulateScale({ ...fleet, ramp: { start: 4, perMinute: 60 } });
    assert.ok(ramped.efficiency < whole.efficiency - 0.1, `${ramped.efficiency}`);
    const sharded = await simulateScale({ ...fleet, shards: 8 });
    assert.ok(sharded.resultsPerSecond > whole.resultsPerSecond);
    assert.ok(sharded.efficiency < whole.efficiency);
  });
});
