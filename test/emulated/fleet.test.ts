import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requestRun } from "../../docs/examples/request-run.js";
import { tune } from "../../scripts/api/tune.js";
import { readPriceList } from "../../scripts/fleet/price-list.js";
import { cancel, fetchResult, status } from "../../scripts/fleet/runs.js";
import { submit, writeRunDocuments } from "../../scripts/fleet/submit.js";
import type { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { runCommand } from "../end-to-end/command.js";
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

async function hasReached(runId: string, trials: number): Promise<boolean> {
  return status(fleet, runId).then(
    ({ trialsDone }) => trialsDone >= trials,
    () => false,
  );
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
    const { cost } = await fetchResult(fleet, runId, join(folder, "fleet"));
    assert.ok(cost !== undefined && cost.usd > 0 && (cost.estimatedBeforehand ?? 0) > 0);
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
    const job = { version: 1, type: "finish", runId: "unheard-of", attempt: 1, candidates: [] };
    const wanted = JSON.stringify({ ...job, deadline: 8.64e15 });
    await fleet.jobs.send([{ body: "no job" }, { body: wanted }]);
    await ended(runId);
    assert.equal((await status(fleet, runId)).phase, "done");
    const deadEvents = [...strange, JSON.stringify(tick)].sort();
    assert.deepEqual(await buried(fleet.deadEvents, deadEvents.length), deadEvents);
    assert.deepEqual(await buried(fleet.deadJobs, 2), [wanted, "no job"].sort());
  });

  test("is submitted, watched and fetched from the command line", async () => {
    const { QUANTFLEET_EVENTS_URL, ...environment } = fleet.environment;
    Object.assign(process.env, environment);
    await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
    const outputs = [
      "--bucket",
      environment.QUANTFLEET_BUCKET ?? "",
      "--events-url",
      QUANTFLEET_EVENTS_URL ?? "",
    ];
    const run = (...argv: string[]) => runCommand([...argv, ...outputs], folder);
    const submitted = await run("submit", "config.json", "--max-trials", "3", "--parallel", "2");
    assert.equal(submitted.code, 0, submitted.stderr);
    const runId = submitted.stdout.trim();
    const watched = await run("watch", runId);
    assert.equal(watched.code, 0, watched.stderr);
    assert.match(watched.stderr, /3\/3 done/);
    const shown = await run("status", runId);
    assert.equal(JSON.parse(shown.stdout).phase, "done", shown.stderr);
    const fetched = await run("fetch", runId, "--out", "fetched");
    assert.ok(fetched.code === 0 || fetched.code === 3, fetched.stderr);
    assert.equal((await decidedTrials(join(folder, "fetched"))).length, 4);
    const unknown = await run("status", "unheard-of");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no run unheard-of/);
  });

  test("stops before it costs more than it may", async () => {
    const options = { runId: "bounded", parallel: 2, maxTrials: 500, maxCostUsd: 0.01 };
    const list = await readPriceList();
    const prices = join(folder, "prices.json");
    const usdPerGigabyteSecond = { arm64: 0.0005, x86_64: 0.0005 };
    await writeFile(prices, JSON.stringify({ ...list, lambda: { ...list.lambda, usdPerGigabyteSecond } }));
    const runId = await submit(fleet, { configuration }, { ...options, prices });
    await ended(runId);
    const { stop, cost } = await status(fleet, runId);
    assert.equal(stop, "max_cost_usd");
    assert.ok(cost !== undefined && cost.usd <= 0.01, JSON.stringify(cost));
  });

  test("is asked for by a program that has the AWS SDK alone", async () => {
    Object.assign(process.env, fleet.environment);
    const documents = join(folder, "documents");
    await writeRunDocuments(fleet, { configuration }, documents, { maxTrials: 2, parallel: 1 });
    const { QUANTFLEET_BUCKET: bucket = "", QUANTFLEET_EVENTS_URL: eventsUrl = "" } = fleet.environment;
    await requestRun(documents, "on-demand", 7, { bucket, eventsUrl });
    await ended("on-demand");
    const { phase, trialsDone } = await status(fleet, "on-demand");
    assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: 3 });
  });

  test("is cancelled with the best so far", async () => {
    const runId = await submit(fleet, { configuration }, { runId: "cancelled", parallel: 1, maxTrials: 500 });
    while (!(await hasReached(runId, 3))) await sleep(POLL_MILLISECONDS / 10);
    await cancel(fleet, runId);
    await ended(runId);
    const { phase, stop } = await status(fleet, runId);
    assert.deepEqual({ phase, stop }, { phase: "done", stop: "cancelled" });
  });

  test("ends although evaluators are killed while they work", async () => {
    const runId = await submit(fleet, { configuration }, { runId: "killed", parallel: 2, maxTrials: 8 });
    for (const trials of [1, 4]) {
      while (!(await hasReached(runId, trials))) await sleep(POLL_MILLISECONDS / 10);
      assert.ok(fleet.evaluators.kill());
    }
    await ended(runId);
    const { phase, trialsDone } = await status(fleet, runId);
    assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: 9 });
  });
});
