import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { requestRun } from "../../docs/examples/request-run.js";
import { tune } from "../../scripts/api/tune.js";
import { connectSchedules } from "../../scripts/fleet/deployment/connect.js";
import type { Fleet } from "../../scripts/fleet/deployment/fleet.js";
import type { EarlierRunName } from "../../scripts/fleet/following/earlier-run.js";
import { fetchResult } from "../../scripts/fleet/following/runs.js";
import { addSchedule } from "../../scripts/fleet/schedules.js";
import { prepareRun } from "../../scripts/fleet/submission/prepare-run.js";
import { estimate, submit, writeRunDocuments } from "../../scripts/fleet/submission/submit.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { decidedTrials } from "../end-to-end/steps/run-folder.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { runEnded } from "./observed-run.js";

const SIZE = { trials: 4, calibration: 10, evaluation: 128 };
const LATER_TRIALS = 7;
const METHODS = ["warm_start", "fine_tune", "eval"] as const;
const TIMEOUT_MILLISECONDS = 240_000;

describe("A fleet's run that begins with an earlier one", { timeout: TIMEOUT_MILLISECONDS }, () => {
  let folder: string;
  let emulated: EmulatedFleet;
  let fleet: Fleet;
  /** Id of the local run that others begin with. */
  let coldRun: string;
  /** Ids of the fleet's runs, by method. */
  const runs = new Map<string, string>();

  const later = (method: string, trials = LATER_TRIALS) =>
    demoConfiguration({ ...SIZE, trials }, { trials_load_method: method, accuracy_loss: 20 });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-emulated-load-"));
    process.env.QUANTFLEET_CACHE = join(folder, "statistics");
    emulated = await startEmulatedFleet(2);

    fleet = emulated;
    const cold = await tune(
      { configuration: await demoConfiguration(SIZE) },
      { out: join(folder, "cold"), workers: 1 },
    );
    coldRun = cold.runId;
    await cold.result;
  });
  after(async () => {
    await emulated?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const method of METHODS)
    test(`has the same trials and model as a local tune: ${method}`, async () => {
      const configuration = await later(method);
      const out = join(folder, method);
      await cp(join(folder, "cold"), out, { recursive: true });
      const here = await tune({ configuration }, { out, workers: 1 });
      await here.result;
      const notices: string[] = [];
      const runId = await submit(
        fleet,
        { configuration },
        {
          runId: here.runId,
          parallel: 1,
          from: { folder: join(folder, "cold") },
          onNotice: (sentence) => notices.push(sentence),
        },
      );
      runs.set(method, runId);
      await runEnded(fleet, runId);
      const there = join(folder, `${method}-fleet`);
      await fetchResult(fleet, runId, there);
      assert.deepEqual(notices, here.notices);
      assert.ok(notices[0]?.includes(coldRun), notices[0]);
      assert.deepEqual(await decidedTrials(there), await decidedTrials(out));
      const model = (of: string) => readFile(join(of, "model.onnx"));
      assert.ok((await model(there)).equals(await model(out)));
    });

  test("continues a run of the fleet whose first trials were local", async () => {
    const notices: string[] = [];
    const configuration = await later("warm_start", LATER_TRIALS + 1);
    const from = { run: runs.get("warm_start")! };
    const options = {
      runId: "on",
      parallel: 1,
      from,
      onNotice: (sentence: string) => notices.push(sentence),
    };
    await runEnded(fleet, await submit(fleet, { configuration }, options));
    await fetchResult(fleet, "on", join(folder, "on"));
    const trials = await decidedTrials(join(folder, "on"));
    assert.deepEqual(trials.slice(0, -1), await decidedTrials(join(folder, "warm_start-fleet")));
    assert.equal(trials.length, LATER_TRIALS + 2);
    assert.match(notices.join(), new RegExp(`^Begins with ${LATER_TRIALS + 1} trials of run ${from.run},`));
    // Restored trials cost nothing.
    const { trials: estimated } = await estimate({ configuration }, { secondsPerTrial: 1, from }, fleet);
    assert.equal(estimated, 1);
  });

  test("can be a run of a schedule or of documents, all with the same trials", async () => {
    Object.assign(process.env, emulated.environment);
    const source = { configuration: await later("warm_start") };
    const options = { parallel: 1, from: { folder: join(folder, "cold") } };
    const target = await connectSchedules(emulated.stack);
    await addSchedule(target, source, { expression: "rate(1 day)" }, { ...options, name: "warm" });
    for (const day of [23, 24]) {
      assert.ok(
        await emulated.scheduler.fire(target.group, "run-warm", new Date(`2026-11-${day}T02:00:00Z`)),
      );
      await runEnded(fleet, `warm-202611${day}T020000Z`);
    }
    const documents = join(folder, "documents");
    await writeRunDocuments(fleet, source, documents, options);
    const { Bucket: bucket = "", EventsUrl: eventsUrl = "" } = emulated.outputs;
    const { seed } = JSON.parse(await readFile(join(documents, "message.json"), "utf8")).request;
    await requestRun(documents, "asked", seed, { bucket, eventsUrl });
    await runEnded(fleet, "asked");
    for (const runId of ["warm-20261123T020000Z", "warm-20261124T020000Z", "asked"]) {
      await fetchResult(fleet, runId, join(folder, runId));
      assert.deepEqual(
        await decidedTrials(join(folder, runId)),
        await decidedTrials(join(folder, "warm_start")),
      );
    }
    // One record for all of them and for the submitted run.
    const records: string[] = [];
    for await (const key of fleet.store.list("restored/")) records.push(key);
    assert.equal(new Set(records).size, records.length);
    const named = JSON.parse(
      Buffer.from((await fleet.store.get("runs/asked/request.json"))!.body).toString(),
    ).restored;
    assert.equal(named.trials, SIZE.trials + 1);
    assert.ok(records.includes(`restored/${named.sha256}.json`));
  });

  test("drops trials that were scored on another processor class", async () => {
    const other = process.arch === "arm64" ? "x86_64" : "arm64";
    const { request, notices, restored } = await prepareRun(
      { configuration: await later("warm_start") },
      { from: { folder: join(folder, "cold") } },
      { evaluator: { megabytes: 3_008, architecture: other }, statistics: new MemoryObjectStore() },
      folder,
    );
    assert.match(notices.join(), /are set aside, because it was scored on .*; running as cold_start\./);
    assert.deepEqual([request.restored, request.isa, restored], [undefined, undefined, undefined]);
  });

  test("is refused in a sentence before anything is sent if there is no earlier run", async () => {
    const cases: readonly [string, EarlierRunName | undefined, RegExp][] = [
      ["warm_start", undefined, /no earlier run is named; name one .* by --from-run/],
      ["cold_start", { run: "earlier" }, /trials_load_method is "cold_start", which begins anew/],
      [
        "eval",
        { folder: join(folder, "nowhere") },
        /nowhere is not there; give the path of an output folder/,
      ],
      ["eval", { folder }, /holds no ended run .*; name another run/],
      ["fine_tune", { run: "unheard-of" }, /The fleet holds no run unheard-of/],
    ];
    for (const [method, from, expected] of cases)
      await assert.rejects(
        submit(fleet, { configuration: await later(method) }, { runId: "refused", ...(from && { from }) }),
        expected,
        method,
      );
    const { evaluator: _, ...unknown } = fleet;
    const source = { configuration: await later("warm_start") };
    const from = { folder: join(folder, "cold") };
    await assert.rejects(submit(unknown, source, { from }), /is not known without its stack/);
    assert.equal(await fleet.store.get("runs/refused/workload.json"), undefined);
  });
});
