import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TrialRecord } from "../../shared/run/protocol/state.js";
import type { RunResult } from "../../shared/run/result/result.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { type RunningCommand, runCommand, startCommand } from "./steps/command.js";
import { demoConfiguration } from "./steps/demo-configuration.js";
import { decidedTrials, finishedTrials } from "./steps/run-folder.js";

const SIZE = { trials: 16, calibration: 10, evaluation: 128 };
const POLL_MILLISECONDS = 20;

const folder = await mkdtemp(join(tmpdir(), "quantfleet-resume-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeFile(join(folder, "config.json"), JSON.stringify(await demoConfiguration(SIZE)));

function tune(out: string, ...options: string[]): string[] {
  return ["tune", "config.json", "--out", out, "--workers", "1", ...options];
}

/** Waits until this many trials have finished, or the process has ended. */
async function untilFinished(command: RunningCommand, out: string, trials: number): Promise<void> {
  while (command.process.exitCode === null && (await finishedTrials(out)).length < trials) {
    await sleep(POLL_MILLISECONDS);
  }
}

describe("A run that is killed repeatedly", async () => {
  const out = join(folder, "killed");
  const random = createRandomStream(1, 0, "noise");
  await runCommand(tune("undisturbed"), folder);
  const seen = new Map<number, TrialRecord>();
  const lost: number[] = [];
  let kills = 0;
  let last = "";
  for (let wanted = 0; ; wanted += 1 + random.below(5)) {
    const started = (await readdir(join(out, "run", "runs")).catch(() => [])).length > 0;
    const command = startCommand(tune("killed", ...(started ? ["--resume"] : [])), folder);
    await untilFinished(command, out, wanted);
    // Killed at any point: between two trials, during a trial, or while the best is written.
    await sleep(random.below(150));
    command.process.kill("SIGKILL");
    const { code, stderr } = await command.outcome;
    const finished = new Map((await finishedTrials(out)).map((trial) => [trial.number, trial]));
    for (const [number, trial] of seen) {
      if (JSON.stringify(finished.get(number)) !== JSON.stringify(trial)) lost.push(number);
    }
    for (const [number, trial] of finished) seen.set(number, trial);
    last = `${code} ${stderr}`;
    if (code !== "SIGKILL") break;
    kills += 1;
    if (finished.size > SIZE.trials) break;
  }
  const final = await runCommand(tune("killed", "--resume"), folder);

  test("was killed several times, and succeeds", () => {
    assert.ok(kills >= 3, last);
    assert.ok(final.code === 0 || final.code === 3, final.stderr);
  });

  test("loses and changes no finished trial", () => assert.deepEqual(lost, []));

  test("has the trials and the model bytes of an undisturbed run", async () => {
    const undisturbed = join(folder, "undisturbed");
    assert.deepEqual(await decidedTrials(out), await decidedTrials(undisturbed));
    const model = await readFile(join(out, "model.onnx"));
    assert.ok(model.equals(await readFile(join(undisturbed, "model.onnx"))));
  });
});

describe("A run that is interrupted by Ctrl-C", async () => {
  const out = join(folder, "interrupted");
  const command = startCommand(tune("interrupted"), folder);
  await untilFinished(command, out, 3);
  command.process.kill("SIGINT");
  const interrupted = await command.outcome;

  test("exits with 130 and has written the best so far", async () => {
    assert.equal(interrupted.code, 130, interrupted.stderr);
    assert.match(interrupted.stderr, /Stopping: the best so far will be written/);
    assert.match(interrupted.stdout, /Written to /);
    const result = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    assert.ok(result.best !== null && result.trials.asked <= SIZE.trials);
    const score = await runCommand(["evaluate", join(out, "model.onnx"), "config.json", "--json"], folder);
    assert.deepEqual((JSON.parse(score.stdout) as { metric: unknown }).metric, result.best.metric);
  });

  test("resumes to the result of an undisturbed run", async () => {
    const resumed = await runCommand(tune("interrupted", "--resume"), folder);
    assert.ok(resumed.code === 0 || resumed.code === 3, resumed.stderr);
    assert.deepEqual(await decidedTrials(out), await decidedTrials(join(folder, "undisturbed")));
  });
});

describe("A run that is interrupted before anything is scored", async () => {
  const out = join(folder, "early");
  const command = startCommand(tune("early"), folder);
  await new Promise<void>((resolve) => command.process.stderr?.once("data", () => resolve()));
  command.process.kill("SIGINT");
  const { code, stderr } = await command.outcome;

  test("exits with 130, without a stack trace", () => {
    assert.equal(code, 130, stderr);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  test("resumes", async () => {
    const resumed = await runCommand(tune("early", "--resume"), folder);
    assert.ok(resumed.code === 0 || resumed.code === 3, resumed.stderr);
    assert.deepEqual(await decidedTrials(out), await decidedTrials(join(folder, "undisturbed")));
  });
});

describe("An unfinished run", async () => {
  // Long enough for two more processes to start meanwhile.
  const held = tune("held", "--max-trials", "10000");
  const command = startCommand(held, folder);
  await untilFinished(command, join(folder, "held"), 2);
  const beside = await runCommand(held, folder);
  const resumed = await runCommand([...held, "--resume"], folder);
  command.process.kill("SIGKILL");
  await command.outcome;

  test("is not overwritten by a second one", () => {
    assert.equal(beside.code, 2, beside.stderr);
    assert.match(
      beside.stderr,
      /holds the unfinished run .*; go on with it by --resume, give another folder by --out, or start anew by --force\.\n$/,
    );
  });

  test("is run by one process at a time", () => {
    assert.equal(resumed.code, 2, resumed.stderr);
    assert.match(resumed.stderr, /is held by process \d+/);
  });
});
