import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { packageRoot } from "../../../scripts/package/package-root.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { MeasuredTrial, RunState } from "../../../shared/run/protocol/state.js";
import { updateBest } from "../../../shared/run/reducer/open-trials.js";
import { describeProgress } from "../../../shared/run/result/progress.js";
import { estimateSecondsLeft } from "../../../shared/run/result/time-left.js";
import { runToy } from "../run-toy.js";
import { toyRequest, toyStudy } from "../toy-study.js";

const TRACES = join(packageRoot(), "test", "fixtures", "traces");

/**
 * A recorded run of `tune` with two workers on a real model and an idle machine; of most, only the beginning
 * is kept. Times are in milliseconds since the first ask.
 */
interface Trace {
  readonly maxTrials: number;
  readonly accuracyLoss: number;
  readonly parallel: number;
  readonly samples: number;
  readonly finish: NonNullable<RunRequest["finish"]>;
  readonly doneAt: number;
}

function readTrace(file: string): {
  readonly trace: Trace;
  readonly request: RunRequest;
  readonly trials: readonly MeasuredTrial[];
} {
  const text = readFileSync(join(TRACES, file), "utf8");
  const [head = "", ...lines] = text.trim().split("\n");
  const trace = JSON.parse(head) as Trace;
  const { maxTrials, accuracyLoss, parallel, samples, finish } = trace;
  const request = { ...toyRequest({ maxTrials, parallel, samples, optimizer: { accuracyLoss } }), finish };
  const trials = lines.map((line): MeasuredTrial => {
    const values = JSON.parse(line) as number[];
    const [number = 0, seen = 0, metric = 0, bytes = 0, ...times] = values;
    const [quantize = 0, session = 0, inference = 0, total = 0, askedAt = 0, endedAt = 0] = times;
    return {
      number,
      configuration: number === 0 ? null : request.base,
      seen: 0,
      askedAt,
      endedAt,
      attempts: 1,
      state: seen === samples ? "complete" : "pruned",
      measurement: { metric, samples: seen, bytes, quantizedShare: { byCount: 1, byParameters: 1 } },
      worker: "w",
      timings: { quantize, session, inference, total },
      scores: [""],
    };
  });
  return { trace, request, trials };
}

const template = runToy(toyRequest({ maxTrials: 1 }), toyStudy).state;

/** The run after these trials had ended. */
function stateAfter(
  request: RunRequest,
  trials: readonly MeasuredTrial[],
  phase: RunState["phase"] = "search",
): RunState {
  const state: RunState = {
    ...template,
    request,
    phase,
    startedAt: 0,
    lastAt: trials.at(-1)!.endedAt,
    finished: trials,
    running: [],
    asked: trials.length,
  };
  const { best: _, stop: __, ...open } = state;
  return updateBest(toyStudy, open, 0);
}

describe("the time left", () => {
  test("is right within 25 % after ten trials for most recorded runs, and within a factor of two for all", () => {
    const ratios = readdirSync(TRACES).map((file) => {
      const { trace, request, trials } = readTrace(file);
      const begun = trials.slice(0, 10);
      const at = begun.at(-1)!.endedAt;
      const left = (trace.doneAt - at) / 1_000;
      return { file, ratio: estimateSecondsLeft(stateAfter(request, begun), at)! / left };
    });
    const described = ratios.map(({ file, ratio }) => `${file} ${ratio.toFixed(2)}`).join(", ");
    assert.equal(ratios.length, 15);
    for (const { ratio } of ratios) assert.ok(ratio > 0.5 && ratio < 2, described);
    const right = ratios.filter(({ ratio }) => Math.abs(ratio - 1) <= 0.25);
    assert.ok(right.length >= 14, described);
  });

  const { request, trials } = readTrace("demo-mnist-dscnn-1.jsonl");
  const begun = trials.slice(0, 12);
  const at = begun.at(-1)!.endedAt;
  const estimateFor = (changed: Partial<RunRequest["optimizer"]>) =>
    estimateSecondsLeft(
      stateAfter({ ...request, optimizer: { ...request.optimizer, ...changed } }, begun),
      at,
    )!;

  test("is unknown before a few trials have ended", () => {
    assert.equal(estimateSecondsLeft(stateAfter(request, trials.slice(0, 5)), at), undefined);
  });

  test("grows with the remaining trials, and is longer if no trial is stopped early", () => {
    const usual = estimateFor({});
    assert.ok(estimateFor({ maxTrials: 300 }) > 1.5 * usual);
    assert.ok(estimateFor({ race: false }) > usual);
  });

  test("is bounded by max_minutes, which includes the finish", () => {
    const seconds = estimateFor({ maxTrials: 100_000, maxMinutes: at / 60_000 + 1 });
    assert.ok(Math.abs(seconds - 60) < 1e-6, `${seconds}`);
  });

  test("decreases with time during the finish, and is 0 when the run is done", () => {
    const state = stateAfter(request, trials, "finish");
    const end = trials.at(-1)!.endedAt;
    const first = estimateSecondsLeft(state, end)!;
    assert.ok(Math.abs(first - estimateSecondsLeft(state, end + 100)! - 0.1) < 1e-9);
    assert.equal(estimateSecondsLeft(state, end + 1e9), 0);
    assert.equal(estimateSecondsLeft({ ...state, phase: "done" }, end), 0);
  });

  test("is part of the progress, with the best so far", () => {
    const state = stateAfter(request, trials.slice(0, 60));
    const { secondsLeft, best, trialsDone } = describeProgress(state, state.lastAt);
    assert.equal(trialsDone, 60);
    assert.ok(secondsLeft! > 0);
    assert.equal(best?.trial, state.best?.number);
  });
});
