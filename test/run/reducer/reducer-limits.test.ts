import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job } from "../../../shared/run/protocol/messages.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { describeProgress } from "../../../shared/run/result/progress.js";
import { replayAsks } from "../../../shared/run/result/replay.js";
import { toyRequest, toyStudy, toyTpeStudy } from "../toy-study.js";
import { base, ReducerHarness, runToEnd } from "./reducer-harness.js";

const SECOND = 1_000;

function answerAll(harness: ReducerHarness, jobs: readonly Job[], at: number): void {
  const open = [...jobs];
  for (let now = at; open.length > 0; now += SECOND)
    open.push(...harness.apply(harness.answer(open.shift()!, now)));
}

function course(state: RunState) {
  return state.finished.map(({ number, configuration }) => [number, configuration]);
}

describe("a run that has ended and is resumed", () => {
  test("with more trials continues as if it had had them from the start", () => {
    const whole = new ReducerHarness(toyRequest({ maxTrials: 20 }));
    runToEnd(whole);
    const harness = new ReducerHarness(toyRequest({ maxTrials: 8 }));
    runToEnd(harness);
    assert.equal(harness.state.phase, "done");
    const jobs = harness.apply({
      ...base,
      type: "RunResumed",
      at: 1_000,
      limits: { maxTrials: 20, maxMinutes: 0 },
    });
    assert.equal(harness.state.phase, "search");
    assert.equal(describeProgress(harness.state, 1_000).trialsAtMost, 21);
    answerAll(harness, jobs, 1_001);
    assert.deepEqual([harness.state.phase, harness.state.stop], ["done", "max_trials"]);
    assert.deepEqual(course(harness.state), course(whole.state));
    assert.equal(harness.sent.filter(({ type }) => type === "finish").length, 2);
  });

  test("replays all its asks", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 12, parallel: 3 }), toyTpeStudy);
    runToEnd(harness);
    const limits = { maxTrials: 30, maxMinutes: 0 };
    answerAll(harness, harness.apply({ ...base, type: "RunResumed", at: 1_000, limits }), 1_001);
    assert.deepEqual(replayAsks(toyTpeStudy, harness.state), { asks: 29, divergences: [] });
  });

  test("does not change unless the limit that stopped it is raised", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 8 }));
    runToEnd(harness);
    const { state } = harness;
    for (const limits of [
      { maxTrials: 8, maxMinutes: 0 },
      { maxTrials: 5, maxMinutes: 0 },
      { maxTrials: 8, maxMinutes: 600 },
    ])
      assert.deepEqual(harness.apply({ ...base, type: "RunResumed", at: 1_000, limits }), []);
    assert.equal(harness.state, state);
  });

  test("with more minutes continues until these are used up", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 1_000, optimizer: { maxMinutes: 1 } }));
    answerAll(harness, harness.sent, SECOND);
    assert.equal(harness.state.stop, "max_minutes");
    const trials = harness.state.finished.length;
    const at = 24 * 3_600 * SECOND;
    const limits = { maxTrials: 1_000, maxMinutes: 2 };
    answerAll(harness, harness.apply({ ...base, type: "RunResumed", at, limits }), at + SECOND);
    assert.equal(harness.state.stop, "max_minutes");
    assert.ok(
      harness.state.finished.length >= 1.5 * trials,
      `${trials} and ${harness.state.finished.length}`,
    );
  });

  test("that met its target does not continue for more trials", () => {
    const request = toyRequest({ maxTrials: 60, optimizer: { stopOnTarget: true, accuracyLoss: 50 } });
    const harness = new ReducerHarness(request, toyStudy);
    runToEnd(harness);
    assert.equal(harness.state.stop, "stop_on_target");
    const limits = { maxTrials: 90, maxMinutes: 0 };
    assert.deepEqual(harness.apply({ ...base, type: "RunResumed", at: 1_000, limits }), []);
  });

  test("in its finish with more trials continues", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 8 }));
    for (let at = 1; harness.state.phase !== "finish"; at++)
      harness.apply(harness.answer(harness.sent.at(-1)!, at));
    const limits = { maxTrials: 10, maxMinutes: 0 };
    answerAll(harness, harness.apply({ ...base, type: "RunResumed", at: 100, limits }), 101);
    assert.deepEqual([harness.state.phase, harness.state.finished.length], ["done", 11]);
  });
});
