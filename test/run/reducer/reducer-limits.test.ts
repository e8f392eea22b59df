import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job } from "../../../shared/run/protocol/messages.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { describeProgress } from "../../../shared/run/result/progress.js";
import { replayAsks } from "../../../shared/run/result/replay.js";
import { toyRequest, toyStudy, toyTpeStudy } from "../toy-study.js";
import { base, Desk, runToEnd } from "./reducer-desk.js";

const SECOND = 1_000;

function carryOn(desk: Desk, jobs: readonly Job[], at: number): void {
  const open = [...jobs];
  for (let now = at; open.length > 0; now += SECOND) open.push(...desk.hear(desk.answer(open.shift()!, now)));
}

function course(state: RunState) {
  return state.finished.map(({ number, configuration }) => [number, configuration]);
}

describe("a run that has ended and is resumed", () => {
  test("with more trials searches on, as one that was given them at first", () => {
    const whole = new Desk(toyRequest({ maxTrials: 20 }));
    runToEnd(whole);
    const desk = new Desk(toyRequest({ maxTrials: 8 }));
    runToEnd(desk);
    assert.equal(desk.state.phase, "done");
    const jobs = desk.hear({
      ...base,
      type: "RunResumed",
      at: 1_000,
      limits: { maxTrials: 20, maxMinutes: 0 },
    });
    assert.equal(desk.state.phase, "search");
    assert.equal(describeProgress(desk.state, 1_000).trialsAtMost, 21);
    carryOn(desk, jobs, 1_001);
    assert.deepEqual([desk.state.phase, desk.state.stop], ["done", "max_trials"]);
    assert.deepEqual(course(desk.state), course(whole.state));
    assert.equal(desk.sent.filter(({ type }) => type === "finish").length, 2);
  });

  test("replays all its asks", () => {
    const desk = new Desk(toyRequest({ maxTrials: 12, parallel: 3 }), toyTpeStudy);
    runToEnd(desk);
    const limits = { maxTrials: 30, maxMinutes: 0 };
    carryOn(desk, desk.hear({ ...base, type: "RunResumed", at: 1_000, limits }), 1_001);
    assert.deepEqual(replayAsks(toyTpeStudy, desk.state), { asks: 29, divergences: [] });
  });

  test("stays as it is without more of what stopped it", () => {
    const desk = new Desk(toyRequest({ maxTrials: 8 }));
    runToEnd(desk);
    const { state } = desk;
    for (const limits of [
      { maxTrials: 8, maxMinutes: 0 },
      { maxTrials: 5, maxMinutes: 0 },
      { maxTrials: 8, maxMinutes: 600 },
    ])
      assert.deepEqual(desk.hear({ ...base, type: "RunResumed", at: 1_000, limits }), []);
    assert.equal(desk.state, state);
  });

  test("with more minutes searches on until these are over", () => {
    const desk = new Desk(toyRequest({ maxTrials: 1_000, optimizer: { maxMinutes: 1 } }));
    carryOn(desk, desk.sent, SECOND);
    assert.equal(desk.state.stop, "max_minutes");
    const trials = desk.state.finished.length;
    const at = 24 * 3_600 * SECOND;
    const limits = { maxTrials: 1_000, maxMinutes: 2 };
    carryOn(desk, desk.hear({ ...base, type: "RunResumed", at, limits }), at + SECOND);
    assert.equal(desk.state.stop, "max_minutes");
    assert.ok(desk.state.finished.length >= 1.5 * trials, `${trials} and ${desk.state.finished.length}`);
  });

  test("that met its target does not search on for more trials", () => {
    const request = toyRequest({ maxTrials: 60, optimizer: { stopOnTarget: true, accuracyLoss: 50 } });
    const desk = new Desk(request, toyStudy);
    runToEnd(desk);
    assert.equal(desk.state.stop, "stop_on_target");
    const limits = { maxTrials: 90, maxMinutes: 0 };
    assert.deepEqual(desk.hear({ ...base, type: "RunResumed", at: 1_000, limits }), []);
  });

  test("within its finish with more trials searches on", () => {
    const desk = new Desk(toyRequest({ maxTrials: 8 }));
    for (let at = 1; desk.state.phase !== "finish"; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    const limits = { maxTrials: 10, maxMinutes: 0 };
    carryOn(desk, desk.hear({ ...base, type: "RunResumed", at: 100, limits }), 101);
    assert.deepEqual([desk.state.phase, desk.state.finished.length], ["done", 11]);
  });
});
