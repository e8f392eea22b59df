import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { tune } from "../../scripts/api/tune.js";
import { fetchResult, status } from "../../scripts/fleet/runs.js";
import { submit } from "../../scripts/fleet/submit.js";
import type { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { demoConfiguration } from "../end-to-end/demo-configuration.js";
import { decidedTrials } from "../end-to-end/run-folder.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";

const SIZE = { trials: 12, calibration: 10, evaluation: 128 };
const POLL_MILLISECONDS = 250;

const folder = await mkdtemp(join(tmpdir(), "quantfleet-emulated-"));
const configuration = await demoConfiguration(SIZE);
let fleet: EmulatedFleet;
/** A run that hangs must not hold up the rest; one takes a few seconds. */
const TIMEOUT_MILLISECONDS = 120_000;

before(async () => {
  fleet = await startEmulatedFleet(2);
});
after(async () => {
  await fleet?.close();
  await rm(folder, { recursive: true, force: true });
});

async function ended(runId: string): Promise<void> {
  for (;;) {
    const phase = await status(fleet, runId).then(
      (progress) => progress.phase,
      () => "unknown",
    );
    if (phase === "done" || phase === "failed") return;
    await sleep(POLL_MILLISECONDS);
  }
}

/** What the dead-letter queue has been sent, once it is `count` messages. */
async function buried(queue: SqsQueue, count: number): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) {
    for (const { body, receipt } of await queue.receive({ max: 10, waitMilliseconds: 1_000 })) {
      bodies.push(body);
      await queue.acknowledge(receipt);
    }
  }
  return bodies.sort();
}

describe("The demo over the emulated AWS", { timeout: TIMEOUT_MILLISECONDS }, () => {
  test("has the trials and the model of the engine on this machine, byte for byte", async () => {
    const local = await tune({ configuration }, { out: join(folder, "local"), workers: 1 });
    await local.result;
    const runId = await submit(fleet, { configuration }, { runId: local.runId, parallel: 1 });
    await ended(runId);
    await fetchResult(fleet, runId, join(folder, "fleet"));
    const model = (name: string) => readFile(join(folder, name, "model.onnx"));
    assert.deepEqual(await decidedTrials(join(folder, "fleet")), await decidedTrials(join(folder, "local")));
    assert.ok((await model("fleet")).equals(await model("local")));
  });

  test("uploads no file a second time", async () => {
    const uploads: boolean[] = [];
    const runId = await submit(
      fleet,
      { configuration },
      { runId: "again", maxTrials: 2, onUpload: ({ wasThere }) => uploads.push(wasThere) },
    );
    assert.deepEqual(new Set(uploads), new Set([true]));
    await ended(runId);
  });

  test("refuses messages that are none of its own, and goes on", async () => {
    const runId = await submit(fleet, { configuration }, { runId: "disturbed", parallel: 2, maxTrials: 6 });
    const tick = { version: 1, type: "Tick", runId: "unheard-of", at: 1 };
    const strange = [
      "no JSON",
      JSON.stringify({ ...tick, version: 2, runId }),
      JSON.stringify(tick),
      "x".repeat(1_000_000),
    ];
    for (const [index, body] of strange.entries())
      await fleet.events.send([{ body, group: runId, deduplication: `strange ${index}` }]);
    await fleet.events.send([
      { body: JSON.stringify(tick), group: tick.runId, deduplication: "run that nobody asked for" },
    ]);
    const job = { version: 1, type: "statistics", runId: "unheard-of", attempt: 1, key: "statistics/none" };
    const wanted = JSON.stringify({ ...job, shard: { index: 0, count: 1 }, deadline: 8.64e15 });
    await fleet.jobs.send([{ body: "no job" }, { body: wanted }]);
    await ended(runId);
    assert.equal((await status(fleet, runId)).phase, "done");
    const deadEvents = [...strange, JSON.stringify(tick)].sort();
    assert.deepEqual(await buried(fleet.deadEvents, deadEvents.length), deadEvents);
    assert.deepEqual(await buried(fleet.deadJobs, 2), [wanted, "no job"].sort());
  });

  test("ends although evaluators are killed while they work", async () => {
    const runId = await submit(fleet, { configuration }, { runId: "killed", parallel: 2, maxTrials: 8 });
    const reached = async (trials: number): Promise<boolean> =>
      status(fleet, runId).then(
        ({ trialsDone }) => trialsDone >= trials,
        () => false,
      );
    for (const trials of [1, 4]) {
      while (!(await reached(trials))) await sleep(POLL_MILLISECONDS / 10);
      assert.ok(fleet.evaluators.kill());
    }
    await ended(runId);
    const { phase, trialsDone } = await status(fleet, runId);
    assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: 9 });
  });
});
