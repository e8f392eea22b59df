import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Engine, listRuns, RunNotFoundError, startEngine } from "../../../scripts/local/engine.js";
import { InProcessQueue } from "../../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../../shared/run/coordinator.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import { LockedError } from "../../../shared/storage/file-lock.js";
import { FileObjectStore } from "../../../shared/storage/file-store.js";
import { toyRequest, toyStudy } from "../../run/toy-study.js";
import { ToyRunner } from "./toy-runner.js";

const root = await mkdtemp(join(tmpdir(), "engine-"));
after(() => rm(root, { recursive: true, force: true }));
const newFolder = (): Promise<string> => mkdtemp(join(root, "run-"));
const toyRun = fileURLToPath(new URL("./toy-run.js", import.meta.url));

function start(
  folder: string,
  request: RunRequest,
  runner = new ToyRunner(request, request.parallel),
): Engine {
  return startEngine({ folder, study: toyStudy, runner, run: { request } });
}

async function readState(folder: string): Promise<RunState | undefined> {
  const store = await FileObjectStore.open(folder);
  const jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1_000 });
  return new Coordinator({ store, jobs, study: toyStudy }).read("toy");
}

/** A trial's record without its times. */
function outcome(trial: TrialRecord) {
  const { number, configuration, state, seen } = trial;
  const measurement = trial.state === "failed" ? undefined : trial.measurement;
  return { number, configuration, state, seen, measurement };
}

describe("local engine", () => {
  test("runs a request to its end and reports progress", async () => {
    const folder = await newFolder();
    const request = toyRequest({ maxTrials: 12, parallel: 2 });
    const runner = new ToyRunner(request, 2);
    const engine = start(folder, request, runner);
    let last = 0;
    for await (const { trialsDone } of engine.progress) {
      assert.ok(trialsDone >= last);
      last = trialsDone;
    }
    const state = await engine.ended;
    assert.equal(state.phase, "done");
    assert.equal(last, 13);
    assert.equal(runner.closed, true);
    assert.deepEqual(await listRuns(folder), ["toy"]);
  });

  test("two runs with one worker are the same trial by trial", async () => {
    const request = toyRequest({ maxTrials: 25 });
    const [first, second] = await Promise.all([
      start(await newFolder(), request).ended,
      start(await newFolder(), request).ended,
    ]);
    assert.deepEqual(first.finished.map(outcome), second.finished.map(outcome));
  });

  test("a job that throws is tried again and then fails its trial, with the reason", async () => {
    const request = toyRequest({ maxTrials: 5 });
    class FailingRunner extends ToyRunner {
      override async run(...args: Parameters<ToyRunner["run"]>): ReturnType<ToyRunner["run"]> {
        const [job] = args;
        if (job.type === "trial" && job.trial === 3) throw new Error("no kernel for this node");
        return super.run(...args);
      }
    }
    const state = await start(await newFolder(), request, new FailingRunner(request, 1)).ended;
    const failed = state.finished.filter((trial) => trial.state === "failed");
    assert.deepEqual(
      failed.map(({ number, reason }) => [number, reason]),
      [[3, "no kernel for this node"]],
    );
    assert.equal(state.finished.length, 6);
  });

  test("an abort stops the search, writes the best so far and lets the run be resumed to the same end", async () => {
    const request = toyRequest({ maxTrials: 20 });
    const undisturbed = await start(await newFolder(), request).ended;

    const folder = await newFolder();
    const interrupt = new AbortController();
    const runner = new ToyRunner(request, 1);
    const run = { request };
    const engine = startEngine({ folder, study: toyStudy, runner, run, signal: interrupt.signal });
    for await (const { trialsDone } of engine.progress) if (trialsDone >= 7) interrupt.abort();
    const interrupted = await engine.ended;
    assert.equal(interrupted.phase, "done");
    assert.equal(interrupted.stop, "cancelled");
    assert.ok(interrupted.finished.length < 21);
    assert.equal(runner.carriedOut.at(-1)?.type, "finish");

    const resumed = startEngine({
      folder,
      study: toyStudy,
      runner: new ToyRunner(request, 1),
      run: { resume: "toy" },
    });
    const state = await resumed.ended;
    assert.equal(state.stop, "max_trials");
    assert.deepEqual(state.finished.map(outcome), undisturbed.finished.map(outcome));
  });

  test("fails with an invalid answer of a broken runner, and can be resumed", async () => {
    const folder = await newFolder();
    const request = toyRequest({ maxTrials: 5, parallel: 2 });
    class BrokenRunner extends ToyRunner {
      override async run(...args: Parameters<ToyRunner["run"]>): ReturnType<ToyRunner["run"]> {
        const report = await super.run(...args);
        return report.type === "TrialReported" && report.trial === 2 ? { ...report, at: -1 } : report;
      }
    }
    const broken = new BrokenRunner(request, 2);
    await assert.rejects(start(folder, request, broken).ended, /too_small|Too small/);
    assert.equal(broken.closed, true);
    const state = await start(folder, request).ended;
    assert.equal(state.finished.length, 6);
  });

  test("refuses a folder in which another process works on a run", async () => {
    const folder = await newFolder();
    const request = toyRequest();
    const runner = new ToyRunner(request, 1, 200);
    const interrupt = new AbortController();
    const run = { request };
    const first = startEngine({ folder, study: toyStudy, runner, run, signal: interrupt.signal });
    for await (const _ of first.progress) break;
    await assert.rejects(start(folder, request).ended, LockedError);
    interrupt.abort();
    await first.ended;
  });

  test("has nothing to resume in an empty folder", async () => {
    const folder = await newFolder();
    const runner = new ToyRunner(toyRequest(), 1);
    const engine = startEngine({ folder, study: toyStudy, runner, run: { resume: "toy" } });
    await assert.rejects(engine.ended, RunNotFoundError);
    assert.equal(runner.closed, true);
  });

  for (const slots of [1, 3])
    test(`killed again and again with ${slots} worker(s), it loses no finished trial and ends`, async () => {
      const folder = await newFolder();
      const maxTrials = 60;
      let confirmed = 0;
      let kills = 0;
      for (let exit: number | null = null; exit !== 0; ) {
        const child = fork(toyRun, [folder, `${maxTrials}`, `${slots}`, kills > 0 ? "resume" : ""]);
        const target = confirmed + 5 + 3 * kills;
        child.on("message", (done: number) => {
          confirmed = Math.max(confirmed, done);
          if (done >= target && done <= maxTrials) child.kill("SIGKILL");
        });
        exit = await exitOf(child);
        if (exit !== 0) kills++;
        const state = await readState(folder);
        assert.ok((state?.finished.length ?? 0) >= confirmed, "a trial that had ended is missing");
      }
      assert.ok(kills >= 3, `it was killed ${kills} times`);
      const state = await readState(folder);
      assert.equal(state?.phase, "done");
      const numbers = state.finished.map(({ number }) => number).sort((a, b) => a - b);
      assert.deepEqual(numbers, [...Array(maxTrials + 1).keys()]);
      if (slots === 1) {
        const undisturbed = await start(await newFolder(), toyRequest({ maxTrials, groups: 8 })).ended;
        assert.deepEqual(state.finished.map(outcome), undisturbed.finished.map(outcome));
      }
    });
});

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}
