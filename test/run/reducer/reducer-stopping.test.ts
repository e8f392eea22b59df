import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job } from "../../../shared/run/protocol/messages.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { TOY_TIMINGS } from "../toy-model.js";
import { toyBill, toyCost, toyRequest } from "../toy-study.js";
import { base, Desk, runToEnd, tick } from "./reducer-desk.js";

describe("stopping", () => {
  test("after max_minutes no trial is asked for, and the running one is waited for", () => {
    const desk = new Desk(toyRequest({ optimizer: { maxMinutes: 1 } }));
    const [statistics] = desk.sent;
    const [float] = desk.hear(desk.answer(statistics!, 1_000));
    const [first] = desk.hear(desk.answer(float!, 2_000));
    assert.deepEqual(desk.hear(tick(60_000)), []);
    assert.equal(desk.state.phase, "search");
    const [finish] = desk.hear(desk.answer(first!, 61_000));
    assert.equal(finish?.type, "finish");
    assert.equal(desk.state.stop, "max_minutes");
  });

  test("time in which no process carried the run does not count", () => {
    const desk = new Desk(toyRequest({ optimizer: { maxMinutes: 1 } }));
    desk.hear({ ...base, type: "RunResumed", at: 3_600_000 });
    const [float] = desk.hear(desk.answer(desk.sent[0]!, 3_601_000));
    assert.equal(float?.type, "trial");
  });

  test("stop_on_target ends the search with the first trial that meets both bounds", () => {
    const desk = new Desk(toyRequest({ maxTrials: 60, optimizer: { stopOnTarget: true, accuracyLoss: 50 } }));
    runToEnd(desk);
    assert.equal(desk.state.stop, "stop_on_target");
    const last = desk.state.finished.at(-1);
    assert.ok(last?.state === "complete");
    assert.equal(last.number, desk.state.best?.number);
  });

  test("cancelling finishes at once with the best so far, and what still comes is kept", () => {
    const desk = new Desk(toyRequest({ parallel: 2 }));
    desk.hear(desk.answer(desk.sent[0]!, 1));
    const [, float, first] = desk.sent;
    desk.hear(desk.answer(float!, 2));
    const [third, fourth] = desk.hear(desk.answer(first!, 3));
    const [finish] = desk.hear({ ...base, type: "CancelRequested", at: 4 });
    assert.ok(finish?.type === "finish");
    assert.deepEqual(
      finish.candidates.map(({ trial }) => trial),
      [1],
    );
    desk.hear(desk.answer(third!, 5));
    desk.hear(desk.answer(finish, 6));
    desk.hear(desk.answer(fourth!, 7));
    assert.equal(desk.state.phase, "done");
    assert.deepEqual(
      desk.state.finished.map(({ number }) => number),
      [0, 1, 2, 3],
    );
  });

  test("a cancelled run that is resumed sends its running trials again and ends as if it had not been", () => {
    const undisturbed = new Desk(toyRequest());
    runToEnd(undisturbed);

    const desk = new Desk(toyRequest());
    for (let at = 1; at <= 5; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    const running = desk.sent.at(-1);
    const [finish] = desk.hear({ ...base, type: "CancelRequested", at: 6 });
    desk.hear(desk.answer(finish!, 7));
    assert.equal(desk.state.phase, "done");
    const [again] = desk.hear({ ...base, type: "RunResumed", at: 100 });
    assert.ok(again?.type === "trial" && running?.type === "trial");
    assert.deepEqual([again.trial, again.configuration], [running.trial, running.configuration]);
    let [job] = [again as Job];
    for (let at = 101; job !== undefined; at++) [job] = [...desk.hear(desk.answer(job, at))] as [Job];
    assert.equal(desk.state.stop, "max_trials");
    const course = (state: RunState) =>
      state.finished.map(({ number, configuration }) => [number, configuration]);
    assert.deepEqual(course(desk.state), course(undisturbed.state));
  });

  test("the budget stops asking before it is exceeded", () => {
    const desk = new Desk(toyRequest({ maxTrials: 60, parallel: 3, cost: toyCost(20) }));
    const open = [...desk.sent];
    let billed = 0;
    for (let at = 1; open.length > 0; at++) {
      const job = open.shift()!;
      billed += 1_000;
      open.push(...desk.hear({ ...desk.answer(job, at), billed: toyBill(1_000) }));
    }
    assert.equal(desk.state.stop, "max_cost_usd");
    assert.equal(desk.state.spend.billedMilliseconds, billed);
    assert.equal(desk.state.spend.usd, billed / 1_000);
    assert.ok(billed <= 20_000);
    assert.ok(billed >= 16_000, "what is kept for the finish is as much as five models' scores cost");
  });

  test("the budget keeps what the finish takes, which may be more than trials do", () => {
    const finish = { samples: 30, latencySeconds: 3 };
    const desk = new Desk(toyRequest({ maxTrials: 60, parallel: 3, finish, cost: toyCost(40) }));
    const open = [...desk.sent];
    for (let at = 1; open.length > 0; at++) {
      const job = open.shift()!;
      // Three finalists and the base are timed; they and the float model are validated.
      const { quantize, session, inference } = TOY_TIMINGS;
      const work = 4 * (3 + 7 * (quantize + session)) + (5 * 30 * inference) / 60;
      const milliseconds = job.type === "finish" ? 1_000 * work : 1_000;
      open.push(...desk.hear({ ...desk.answer(job, at), billed: toyBill(milliseconds) }));
    }
    assert.equal(desk.state.stop, "max_cost_usd");
    assert.ok(desk.state.spend.usd <= 40, `${desk.state.spend.usd}`);
    assert.ok(desk.state.spend.usd >= 34, "a quarter is added to what the finish is expected to take");
  });

  test("the smallest budget is enough for what there is nothing to write without", () => {
    const desk = new Desk(toyRequest({ maxTrials: 60, parallel: 3, cost: toyCost(0.01) }));
    const open = [...desk.sent];
    for (let at = 1; open.length > 0; at++)
      open.push(...desk.hear({ ...desk.answer(open.shift()!, at), billed: toyBill(1_000) }));
    const { phase, stop, finished, best } = desk.state;
    assert.deepEqual([phase, stop, finished.length, best?.number], ["done", "max_cost_usd", 2, 1]);
  });
});
