import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Job, MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { markCarriedOut } from "../../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../../shared/run/reducer/reducer.js";
import { describeProgress } from "../../../shared/run/result/progress.js";
import { countDuplicates, trialLines } from "../../../shared/run/result/trial-lines.js";
import { answerToyJob } from "../toy-model.js";
import { toyRequest, toyStudy } from "../toy-study.js";

/** A run with three concurrent trials whose jobs are answered last in, first out; trial 5 fails. */
function exampleRun(steps = Number.POSITIVE_INFINITY): RunState {
  const request = toyRequest({ maxTrials: 9, parallel: 3 });
  const { reduce } = createReducer(toyStudy);
  const open: Job[] = [];
  let state: RunState | undefined;
  const apply = (event: Parameters<typeof reduce>[1]): void => {
    const { state: next, commands } = reduce(state, event);
    assert.ok(next);
    state = markCarriedOut(next, commands);
    open.push(...commands.flatMap((command) => (command.type === "WriteRecord" ? [] : [command.job])));
  };
  apply({ version: MESSAGE_VERSION, runId: "toy", type: "RunRequested", at: 0, request });
  for (let at = 1_000, step = 0; open.length > 0 && step < steps; at += 1_000, step++) {
    const job = open.pop()!;
    const report = answerToyJob(request, job, { worker: "w", isa: "i", at });
    const fails = report.type === "TrialReported" && report.trial === 5;
    apply(fails ? { ...report, outcome: { state: "failed", reason: "no memory" } } : report);
  }
  assert.ok(state);
  return state;
}

describe("trials.jsonl", () => {
  const state = exampleRun();
  const lines = [...trialLines(toyStudy, state)];

  test("has a line for every trial, in the order in which they ended", () => {
    assert.deepEqual(
      lines.map(({ number }) => number),
      state.finished.map(({ number }) => number),
    );
    assert.equal(new Set(lines.map(({ number }) => number)).size, 10);
  });

  test("lists which trials each had seen, as ranges", () => {
    for (const line of lines) {
      const record = state.finished.find(({ number }) => number === line.number)!;
      const seen = state.finished.slice(0, record.seen).map(({ number }) => number);
      assert.deepEqual(
        expand(line.seen),
        seen.sort((a, b) => a - b),
      );
    }
    assert.ok(lines.some(({ seen }) => seen.includes(",")));
  });

  test("keeps the reason of a failed trial, and no figures for it", () => {
    const failed = lines.find(({ number }) => number === 5);
    assert.deepEqual(
      [failed?.state, failed?.reason, failed?.metric, failed?.loss, failed?.attempts],
      ["failed", "no memory", null, null, 2],
    );
  });

  test("has only values that JSON can represent", () => {
    for (const line of lines) assert.deepEqual(JSON.parse(JSON.stringify(line)), line);
  });

  test("shows the float model without choices", () => {
    const float = lines.find(({ number }) => number === 0);
    assert.equal(float?.choices, null);
    assert.equal(float?.violation, 0);
  });

  test("no configuration came twice", () => {
    assert.equal(countDuplicates(state), 0);
    const doubled = { ...state, finished: [...state.finished, state.finished.at(-1)!] };
    assert.equal(countDuplicates(doubled), 1);
  });
});

describe("progress", () => {
  test("describes how far the run is", () => {
    const { trialsDone, trialsAtMost, secondsElapsed } = describeProgress(exampleRun(8), 8_000);
    assert.equal(secondsElapsed, 8);
    assert.equal(trialsAtMost, 10);
    assert.ok(trialsDone < trialsAtMost);
  });

  test("has nothing left when the run has ended, and names the best trial", () => {
    const state = exampleRun();
    const progress = describeProgress(state, 50_000);
    assert.deepEqual([progress.phase, progress.secondsLeft, progress.trialsDone], ["done", 0, 10]);
    assert.equal(progress.best?.trial, state.best?.number);
  });
});

function expand(ranges: string): readonly number[] {
  if (ranges === "") return [];
  return ranges.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
