import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job } from "../../../shared/run/protocol/messages.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { TOY_TIMINGS } from "../toy-model.js";
import { toyBill, toyCost, toyRequest } from "../toy-study.js";
import { base, ReducerHarness, runToEnd, tick } from "./reducer-harness.js";

describe("stopping", () => {
  test("after max_minutes no trial is started, and the running one is waited for", () => {
    const harness = new ReducerHarness(toyRequest({ optimizer: { maxMinutes: 1 } }));
    const [statistics] = harness.sent;
    const [float] = harness.apply(harness.answer(statistics!, 1_000));
    const [first] = harness.apply(harness.answer(float!, 2_000));
    assert.deepEqual(harness.apply(tick(60_000)), []);
    assert.equal(harness.state.phase, "search");
    const [finish] = harness.apply(harness.answer(first!, 61_000));
    assert.equal(finish?.type, "finish");
    assert.equal(harness.state.stop, "max_minutes");
  });

  test("time in which no process worked on the run does not count", () => {
    const harness = new ReducerHarness(toyRequest({ optimizer: { maxMinutes: 1 } }));
    harness.apply({ ...base, type: "RunResumed", at: 3_600_000 });
    const [float] = harness.apply(harness.answer(harness.sent[0]!, 3_601_000));
    assert.equal(float?.type, "trial");
  });

  test("stop_on_target ends the search with the first trial that meets both bounds", () => {
    const harness = new ReducerHarness(
      toyRequest({ maxTrials: 60, optimizer: { stopOnTarget: true, accuracyLoss: 50 } }),
    );
    runToEnd(harness);
    assert.equal(harness.state.stop, "stop_on_target");
    const last = harness.state.finished.at(-1);
    assert.ok(last?.state === "complete");
    assert.equal(last.number, harness.state.best?.number);
  });

  test("cancelling finishes immediately with the best so far, and later results are kept", () => {
    const harness = new ReducerHarness(toyRequest({ parallel: 2 }));
    harness.apply(harness.answer(harness.sent[0]!, 1));
    const [, float, first] = harness.sent;
    harness.apply(harness.answer(float!, 2));
    const [third, fourth] = harness.apply(harness.answer(first!, 3));
    const [finish] = harness.apply({ ...base, type: "CancelRequested", at: 4 });
    assert.ok(finish?.type === "finish");
    assert.deepEqual(
      finish.candidates.map(({ trial }) => trial),
      [1],
    );
    harness.apply(harness.answer(third!, 5));
    harness.apply(harness.answer(finish, 6));
    harness.apply(harness.answer(fourth!, 7));
    assert.equal(harness.state.phase, "done");
    assert.deepEqual(
      harness.state.finished.map(({ number }) => number),
      [0, 1, 2, 3],
    );
  });

  test("a cancelled run that is resumed sends its running trials again and ends as if not cancelled", () => {
    const uncancelled = new ReducerHarness(toyRequest());
    runToEnd(uncancelled);

    const harness = new ReducerHarness(toyRequest());
    for (let at = 1; at <= 5; at++) harness.apply(harness.answer(harness.sent.at(-1)!, at));
    const running = harness.sent.at(-1);
    const [finish] = harness.apply({ ...base, type: "CancelRequested", at: 6 });
    harness.apply(harness.answer(finish!, 7));
    assert.equal(harness.state.phase, "done");
    const [again] = harness.apply({ ...base, type: "RunResumed", at: 100 });
    assert.ok(again?.type === "trial" && running?.type === "trial");
    assert.deepEqual([again.trial, again.configuration], [running.trial, running.configuration]);
    let [job] = [again as Job];
    for (let at = 101; job !== undefined; at++) [job] = [...harness.apply(harness.answer(job, at))] as [Job];
    assert.equal(harness.state.stop, "max_trials");
    const course = (state: RunState) =>
      state.finished.map(({ number, configuration }) => [number, configuration]);
    assert.deepEqual(course(harness.state), course(uncancelled.state));
  });

  test("no trial is started beyond the budget", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 60, parallel: 3, cost: toyCost(20) }));
    const open = [...harness.sent];
    let billed = 0;
    for (let at = 1; open.length > 0; at++) {
      const job = open.shift()!;
      billed += 1_000;
      open.push(...harness.apply({ ...harness.answer(job, at), billed: toyBill(1_000) }));
    }
    assert.equal(harness.state.stop, "max_cost_usd");
    assert.equal(harness.state.spend.billedMilliseconds, billed);
    assert.equal(harness.state.spend.usd, billed / 1_000);
    assert.ok(billed <= 20_000);
    assert.ok(billed >= 16_000, "the reserve for the finish is the cost of scoring five models");
  });

  test("the budget includes the finish, which may cost more than trials", () => {
    const finish = { samples: 30, latencySeconds: 3 };
    const harness = new ReducerHarness(toyRequest({ maxTrials: 60, parallel: 3, finish, cost: toyCost(40) }));
    const open = [...harness.sent];
    for (let at = 1; open.length > 0; at++) {
      const job = open.shift()!;
      // Three finalists and the base are timed; they and the float model are validated.
      const { quantize, session, inference } = TOY_TIMINGS;
      const work = 4 * (3 + 7 * (quantize + session)) + (5 * 30 * inference) / 60;
      const milliseconds = job.type === "finish" ? 1_000 * work : 1_000;
      open.push(...harness.apply({ ...harness.answer(job, at), billed: toyBill(milliseconds) }));
    }
    assert.equal(harness.state.stop, "max_cost_usd");
    assert.ok(harness.state.spend.usd <= 40, `${harness.state.spend.usd}`);
    assert.ok(
      harness.state.spend.usd >= 34,
      "the reserve for the finish is its expected cost plus a quarter",
    );
  });

  test("the smallest budget still pays for the reference trials and the finish", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 60, parallel: 3, cost: toyCost(0.01) }));
    const open = [...harness.sent];
    for (let at = 1; open.length > 0; at++)
      open.push(...harness.apply({ ...harness.answer(open.shift()!, at), billed: toyBill(1_000) }));
    const { phase, stop, finished, best } = harness.state;
    assert.deepEqual([phase, stop, finished.length, best?.number], ["done", "max_cost_usd", 2, 1]);
  });
});
