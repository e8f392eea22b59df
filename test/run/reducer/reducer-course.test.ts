import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toyRequest } from "../toy-study.js";
import { Desk, failure, runToEnd } from "./reducer-desk.js";

describe("the course of a run", () => {
  test("gathers statistics, scores float and base, then asks, then finishes", () => {
    const desk = new Desk(toyRequest({ statisticsShards: 2, maxTrials: 5, parallel: 2 }));
    runToEnd(desk);
    const kinds = desk.sent.map((job) => (job.type === "trial" ? job.trial : job.type));
    assert.deepEqual(kinds, ["statistics", "statistics", 0, 1, 2, 3, 4, 5, "finish"]);
    assert.equal(desk.state.phase, "done");
    assert.equal(desk.state.stop, "max_trials");
    const [float, first] = desk.sent.filter((job) => job.type === "trial");
    assert.equal(float?.configuration, null);
    assert.deepEqual(first?.configuration, desk.request.base);
  });

  test("hands the best trials to the finish job, best first", () => {
    const desk = new Desk(toyRequest({ maxTrials: 12 }));
    runToEnd(desk);
    const finish = desk.sent.at(-1);
    assert.ok(finish?.type === "finish");
    assert.equal(finish.candidates[0]?.trial, desk.state.best?.number);
    assert.equal(finish.candidates.length, 3);
  });

  test("races trials after the references, against the incumbent's rows of the same shard", () => {
    const desk = new Desk(toyRequest({ maxTrials: 8, shards: 2 }));
    runToEnd(desk);
    for (const job of desk.sent) {
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

  test("records how many trials had ended when each was asked for", () => {
    const desk = new Desk(toyRequest({ maxTrials: 6, parallel: 3 }));
    runToEnd(desk);
    const seen = [...desk.state.finished].sort((a, b) => a.number - b.number).map((trial) => trial.seen);
    assert.deepEqual(seen, [0, 0, 2, 2, 2, 3, 4]);
  });

  test("ends when the space is exhausted", () => {
    const desk = new Desk(toyRequest({ groups: 1, maxTrials: 25 }));
    runToEnd(desk);
    assert.equal(desk.state.stop, "space_exhausted");
    // Six quantized configurations and the float one, which the sampler knows as trial 0.
    assert.equal(desk.state.finished.length, 7);
  });

  test("fails when the float model cannot be scored", () => {
    const desk = new Desk(toyRequest());
    desk.hear(desk.answer(desk.sent[0]!, 1));
    for (const attempt of [1, 2]) desk.hear(failure(0, attempt, "no such op"));
    assert.equal(desk.state.phase, "failed");
    assert.match(desk.state.failure ?? "", /no such op/);
  });
});
