import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { startEngine } from "../../../scripts/local/engine.js";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { replayAsks } from "../../../shared/run/result/replay.js";
import { toyRequest, toyTpeStudy } from "../../run/toy-study.js";
import { ToyRunner } from "./toy-runner.js";

const folder = await mkdtemp(join(tmpdir(), "replay-"));
after(() => rm(folder, { recursive: true, force: true }));

describe("replay", async () => {
  const request = toyRequest({ maxTrials: 40, parallel: 8, groups: 10 });
  const runner = new ToyRunner(request, 8);
  const state = await startEngine({ folder, study: toyTpeStudy, runner, run: { request } }).ended;

  test("a replay of a run with eight workers proposes the same configurations", () => {
    assert.deepEqual(replayAsks(toyTpeStudy, state), { asks: 39, divergences: [] });
  });

  test("a result that was changed afterwards is detected", () => {
    const finished = state.finished.map((trial) =>
      trial.number > 1 && trial.number < 12 && trial.state !== "failed"
        ? { ...trial, measurement: { ...trial.measurement, metric: 0, bytes: 1 } }
        : trial,
    );
    const changed: RunState = { ...state, finished };
    assert.ok(replayAsks(toyTpeStudy, changed).divergences.length > 0);
  });

  test("another seed is detected", () => {
    const changed: RunState = { ...state, request: { ...request, seed: request.seed + 1 } };
    assert.ok(replayAsks(toyTpeStudy, changed).divergences.length > 0);
  });
});
