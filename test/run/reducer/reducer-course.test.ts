import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toyRequest } from "../toy-study.js";
import { failure, ReducerHarness, runToEnd } from "./reducer-harness.js";

describe("the course of a run", () => {
  test("gathers statistics, scores the float model and the base, searches, and finishes", () => {
    const harness = new ReducerHarness(toyRequest({ statisticsShards: 2, maxTrials: 5, parallel: 2 }));
    runToEnd(harness);
    const kinds = harness.sent.map((job) => (job.type === "trial" ? job.trial : job.type));
    assert.deepEqual(kinds, ["statistics", "statistics", 0, 1, 2, 3, 4, 5, "finish"]);
    assert.equal(harness.state.phase, "done");
    assert.equal(harness.state.stop, "max_trials");
    const [float, first] = harness.sent.filter((job) => job.type === "trial");
    assert.equal(float?.configuration, null);
    assert.deepEqual(first?.configuration, harness.request.base);
  });

  test("hands the best trials to the finish job, best first", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 12 }));
    runToEnd(harness);
    const finish = harness.sent.at(-1);
    assert.ok(finish?.type === "finish");
    assert.equal(finish.candidates[0]?.trial, harness.state.best?.number);
    assert.equal(finish.candidates.length, 3);
  });

  test("compares trials after the references with the incumbent's rows of the same shard", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 8, shards: 2 }));
    runToEnd(harness);
    for (const job of harness.sent) {
      if (job.type !== "trial") continue;
      assert.equal(job.race !== undefined, job.trial >= 2);
      if (job.race === undefined) continue;
      assert.match(
        job.race.referenceScores,
        new RegExp(`^runs/toy/scores/0/${job.shard.index}-[0-9a-f]{12}\\.json$`),
      );
      assert.equal(job.race.delta, 0.025);
      if (job.race.incumbent !== undefined)
        assert.match(
          job.race.incumbent.scores,
          new RegExp(`/${job.race.incumbent.trial}/${job.shard.index}-`),
        );
    }
  });

  test("records how many trials had ended when each was opened", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 6, parallel: 3 }));
    runToEnd(harness);
    const seen = [...harness.state.finished].sort((a, b) => a.number - b.number).map((trial) => trial.seen);
    assert.deepEqual(seen, [0, 0, 2, 2, 2, 3, 4]);
  });

  test("ends when the space is exhausted", () => {
    const harness = new ReducerHarness(toyRequest({ groups: 1, maxTrials: 25 }));
    runToEnd(harness);
    assert.equal(harness.state.stop, "space_exhausted");
    // Six quantized configurations and the float one, which the sampler knows as trial 0.
    assert.equal(harness.state.finished.length, 7);
  });

  test("fails when the float model cannot be scored", () => {
    const harness = new ReducerHarness(toyRequest());
    harness.apply(harness.answer(harness.sent[0]!, 1));
    for (const attempt of [1, 2]) harness.apply(failure(0, attempt, "no such op"));
    assert.equal(harness.state.phase, "failed");
    assert.match(harness.state.failure ?? "", /no such op/);
  });
});
