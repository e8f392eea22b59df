import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { requestRun } from "../../docs/examples/request-run.js";
import { METRIC } from "../../functions/metric-names.js";
import { follow } from "../../scripts/fleet/following/follow.js";
import type { RunView } from "../../scripts/fleet/following/run-view.js";
import { cancel, fetchResult, status } from "../../scripts/fleet/following/runs.js";
import { readPriceList } from "../../scripts/fleet/submission/price-list.js";
import { submit, writeRunDocuments } from "../../scripts/fleet/submission/submit.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { npyBytes } from "../data/write-npy.js";
import { runCommand } from "../end-to-end/steps/command.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { decidedTrials } from "../end-to-end/steps/run-folder.js";
import { lookupIds, lookupModel } from "../fixtures/models/lookup.js";
import type { FleetServers } from "./aws/fleet-servers.js";
import { assertSameAsLocally } from "./compare-with-local.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { POLL_MILLISECONDS, receiveDeadLetters, runEnded } from "./observed-run.js";
import { ObservedSpend } from "./observed-spend.js";

const EVALUATORS = 2;
const SIZE = { trials: 12, calibration: 10, evaluation: 128 };
/** Time limit of a run: one takes a few seconds, or some more on other servers. */
const TIMEOUT_MILLISECONDS = 240_000;

/** Conformance suite of a fleet, run against each pair of servers. */
export function describeFleet(servers: string, startServers: () => Promise<FleetServers>): void {
  describe(`The demo over ${servers}`, { timeout: TIMEOUT_MILLISECONDS }, () => {
    let folder: string;
    let configuration: RunConfigurationInput;
    let fleet: EmulatedFleet;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "quantfleet-emulated-"));
      configuration = await demoConfiguration(SIZE);
      fleet = await startEmulatedFleet(EVALUATORS, startServers);
    });
    after(async () => {
      await fleet?.close();
      await rm(folder, { recursive: true, force: true });
    });

    test("has the same trials and model as a local run with the same order of results", async () => {
      // With several variants of the float model, whose statistics are gathered separately.
      const deciding = withTunedAlgorithms(configuration);
      const options = { runId: "twin", statisticsShards: EVALUATORS };
      const runId = await submit(fleet, { configuration: deciding }, options);
      await runEnded(fleet, runId);
      const { cost } = await fetchResult(fleet, runId, join(folder, "fleet"));
      assert.ok(cost !== undefined && cost.usd > 0 && (cost.estimatedBeforehand ?? 0) > 0);
      await assertSameAsLocally(fleet.store, runId, deciding, folder, EVALUATORS);
      const lines = (await readFile(join(folder, "fleet", "trials.jsonl"), "utf8")).trim().split("\n");
      for (const line of lines) assert.match(JSON.parse(line).worker, /^2026.*\[\$LATEST\][0-9a-f]{32}\//);
    });

    test("publishes the metrics that its dashboard shows", () => {
      const told = new Set(fleet.metrics.flatMap((line) => Object.keys(line)));
      for (const name of [METRIC.trialsEnded, METRIC.usdSpent, METRIC.jobsAnswered, METRIC.bestMetric])
        assert.ok(told.has(name), name);
      const ended = fleet.metrics.map((line) => Number(line[METRIC.trialsEnded] ?? 0));
      assert.equal(
        ended.reduce((sum, count) => sum + count, 0),
        SIZE.trials + 1,
      );
      for (const { fleet: name, service } of fleet.metrics)
        assert.ok(name !== undefined && service !== undefined);
    });

    test("uploads no file a second time", async () => {
      const uploads: boolean[] = [];
      const runId = await submit(
        fleet,
        { configuration },
        { runId: "again", maxTrials: 2, onUpload: ({ wasThere }) => uploads.push(wasThere) },
      );
      assert.deepEqual(new Set(uploads), new Set([true]));
      await runEnded(fleet, runId);
    });

    test("refuses invalid messages and records, and continues its run", async () => {
      const runId = await submit(fleet, { configuration }, { runId: "disturbed", parallel: 2, maxTrials: 6 });
      const tick = { version: 1, type: "Tick", runId: "unheard-of", at: 1 };
      const strange = [
        "no JSON",
        JSON.stringify({ ...tick, version: 2, runId }),
        JSON.stringify(tick),
        await requestOfAnother(fleet, { configuration }, runId),
        "x".repeat(1_000_000),
      ];
      for (const [index, body] of strange.entries())
        await fleet.events.send([{ body, group: runId, deduplication: `strange ${index}` }]);
      await fleet.events.send([
        { body: JSON.stringify(tick), group: tick.runId, deduplication: "run that nobody asked for" },
      ]);
      await fleet.store.put("runs/damaged/workload.json", Buffer.from("{"));
      const damaged = JSON.stringify({ ...tick, runId: "damaged" });
      await fleet.events.send([{ body: damaged, group: "damaged", deduplication: "damaged" }]);
      const job = { version: 1, type: "finish", runId: "unheard-of", attempt: 1, candidates: [] };
      const wanted = JSON.stringify({ ...job, deadline: 8.64e15 });
      const spoilt = JSON.stringify({ ...job, runId: "damaged", deadline: 8.64e15 });
      await fleet.jobs.send([{ body: "no job" }, { body: wanted }, { body: spoilt }]);
      await fleet.statisticsJobs.send([{ body: wanted }]);
      await runEnded(fleet, runId);
      assert.equal((await status(fleet, runId)).phase, "done");
      const deadEvents = [...strange, JSON.stringify(tick), damaged].sort();
      assert.deepEqual(await receiveDeadLetters(fleet.deadEvents, deadEvents.length), deadEvents);
      assert.deepEqual(await receiveDeadLetters(fleet.deadJobs, 3), [wanted, spoilt, "no job"].sort());
      assert.deepEqual(await receiveDeadLetters(fleet.deadStatisticsJobs, 1), [wanted]);
    });

    test("is submitted, watched and fetched from the command line", async () => {
      Object.assign(process.env, fleet.environment);
      await writeFile(join(folder, "config.json"), JSON.stringify(configuration));
      const run = (...argv: string[]) => runCommand([...argv, "--stack", fleet.stack], folder);
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
      const nowhere = await runCommand(["status", runId, "--stack", "Nowhere"], folder);
      assert.equal(nowhere.code, 2);
      assert.match(nowhere.stderr, /^.*Stack "Nowhere" cannot be looked up .*does not exist.*\n$/);
      const { Bucket = "", EventsUrl = "" } = fleet.outputs;
      const named = await runCommand(
        ["status", runId, "--bucket", Bucket, "--events-url", EventsUrl],
        folder,
      );
      assert.equal(JSON.parse(named.stdout).phase, "done", named.stderr);
      const unnamed = await runCommand(["status", runId], folder);
      assert.equal(unnamed.code, 2);
      assert.match(unnamed.stderr, /--stack/);
    });

    test("is followed to its end and written by the command that submitted it", async () => {
      Object.assign(process.env, fleet.environment);
      const run = (...argv: string[]) => runCommand([...argv, "--stack", fleet.stack], folder);
      const size = ["--max-trials", "3", "--parallel", "2", "--run-id", "whole"];
      const submitted = await run("submit", "config.json", ...size, "--out", "whole");
      assert.ok(submitted.code === 0 || submitted.code === 3, submitted.stderr);
      assert.match(submitted.stderr, /^Run whole\..*\n(?:.*\n)*.*3\/3 done/m);
      assert.match(submitted.stdout, /Written to whole\.\n$/);
      // The submitting command does not download model and data, and writes the same files as a command that
      // has to.
      const fetched = await run("fetch", "whole", "--out", "whole-fetched");
      assert.equal(fetched.code, submitted.code, fetched.stderr);
      const written = (file: string) =>
        Promise.all(["whole", "whole-fetched"].map((out) => readFile(join(folder, out, file), "utf8")));
      for (const file of ["configuration.json", "trials.jsonl", "model.onnx"]) {
        const [own, other] = await written(file);
        assert.ok(own === other, file);
      }
      // The coordinator's last work is charged with the next save, which may happen between the two commands.
      const [own, other] = (await written("result.json")).map((result) => ({
        ...JSON.parse(result),
        cost: undefined,
      }));
      assert.equal(own.runId, "whole");
      assert.deepEqual(own, other);
      // A different run under the same name is refused.
      const again = await run(
        "submit",
        "config.json",
        "--max-trials",
        "2",
        "--run-id",
        "whole",
        "--out",
        "again",
      );
      assert.equal(again.code, 2);
      assert.match(again.stderr, /The fleet holds a run whole already; give another name by --run-id/);
    });

    test("refuses names of unknown runs and invalid names, and sends nothing", async () => {
      await assert.rejects(cancel(fleet, "unheard-of"), /The fleet holds no run unheard-of/);
      for (const runId of ["foo bar", "../x"]) {
        const none = { code: "USAGE", message: /^Run name ".*" is none; use up to 64 letters/ };
        await assert.rejects(submit(fleet, { configuration }, { runId }), none);
        await assert.rejects(cancel(fleet, runId), none);
        await assert.rejects(status(fleet, runId), none);
        await assert.rejects(fetchResult(fleet, runId, join(folder, "none")), none);
      }
    });

    test("stops before it exceeds its budget", async () => {
      const options = { runId: "bounded", parallel: 2, maxTrials: 500, maxCostUsd: 0.01 };
      const list = await readPriceList();
      const prices = join(folder, "prices.json");
      const usdPerGigabyteSecond = { arm64: 0.0002, x86_64: 0.0002 };
      await writeFile(prices, JSON.stringify({ ...list, lambda: { ...list.lambda, usdPerGigabyteSecond } }));
      const spend = new ObservedSpend(fleet, options.runId);
      const runId = await submit(fleet, { configuration }, { ...options, prices });
      await runEnded(fleet, runId);
      const { stop, cost } = await status(fleet, runId);
      assert.deepEqual([stop, cost?.maxUsd], ["max_cost_usd", options.maxCostUsd]);
      await spend.assertWithin(options.maxCostUsd);
    });

    test("is requested by a program that uses the AWS SDK only", async () => {
      Object.assign(process.env, fleet.environment);
      const documents = join(folder, "documents");
      await writeRunDocuments(fleet, { configuration }, documents, { maxTrials: 2, parallel: 1 });
      const { Bucket: bucket = "", EventsUrl: eventsUrl = "" } = fleet.outputs;
      await requestRun(documents, "on-demand", 7, { bucket, eventsUrl });
      await runEnded(fleet, "on-demand");
      const { phase, trialsDone } = await status(fleet, "on-demand");
      assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: 3 });
    });

    test("fails with the reason when its model or data are missing", async () => {
      const documents = join(folder, "documents");
      const workload = JSON.parse(await readFile(join(documents, "workload.json"), "utf8"));
      const sha256 = "0".repeat(64);
      workload.files[0] = { ...workload.files[0], key: `models/${sha256}`, sha256 };
      await mkdir(join(folder, "gone"));
      await writeFile(join(folder, "gone", "workload.json"), JSON.stringify(workload));
      await copyFile(join(documents, "message.json"), join(folder, "gone", "message.json"));
      const { Bucket: bucket = "", EventsUrl: eventsUrl = "" } = fleet.outputs;
      await requestRun(join(folder, "gone"), "gone", 7, { bucket, eventsUrl });
      await runEnded(fleet, "gone");
      assert.equal((await status(fleet, "gone")).phase, "failed");
      const state = await fleet.store.get("runs/gone/state.json");
      assert.match(
        JSON.parse(Buffer.from(state?.body ?? []).toString()).failure,
        /could not be gathered: The run's record models\/0+ is missing; start a new run\./,
      );
    });

    test("fails as an input error that names file and row where a row breaks the model while it runs", async () => {
      const [rows, bad] = [40, 23];
      await writeFile(join(folder, "lookup.onnx"), encodeModel(lookupModel()));
      const ids = npyBytes({ descr: "<i8", shape: [rows, 1], data: lookupIds(rows, bad) });
      await writeFile(join(folder, "ids.npy"), ids);
      const section = (end: number) => ({
        inputs: { ids: { data: "ids.npy", rows: [0, end] as [number, number] } },
      });
      const runId = await submit(
        fleet,
        {
          configuration: {
            model: { model: "lookup.onnx" },
            engine: { calibration: section(bad), evaluation: section(rows), metric: { name: "sqnr" } },
            optimizer: { params: { max_trials: 2, benchmark: { duration_seconds: 0.05 } } },
          },
          directory: folder,
        },
        { runId: "unfit", parallel: 1 },
      );
      await runEnded(fleet, runId);
      await assert.rejects(fetchResult(fleet, runId, join(folder, "unfit")), {
        code: "DATA",
        message:
          /^The run failed: The float model could not be scored: engine\.evaluation\.inputs\.ids \(.*\), row 23: the model cannot be run on this, .*; correct the data .*with rows\.$/,
      });
    });

    test("is cancelled with the best so far", async () => {
      const runId = await submit(
        fleet,
        { configuration },
        { runId: "cancelled", parallel: 1, maxTrials: 500 },
      );
      let last: RunView | undefined;
      for await (const view of follow(fleet, runId, { intervalSeconds: POLL_MILLISECONDS / 10_000 })) {
        if (view.progress.trialsDone >= 3 && last?.progress.stop === undefined) await cancel(fleet, runId);
        last = view;
      }
      const { phase, stop } = await status(fleet, runId);
      assert.deepEqual({ phase, stop }, { phase: "done", stop: "cancelled" });
      assert.deepEqual([last?.progress.phase, last?.best?.outcome], ["done", "complete"]);
    });
  });
}

/** A message in a run's group that requests another run. */
async function requestOfAnother(
  fleet: EmulatedFleet,
  source: { readonly configuration: RunConfigurationInput },
  runId: string,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-another-"));
  await writeRunDocuments(fleet, source, folder, { runId: "another", maxTrials: 2 });
  const message = JSON.parse(await readFile(join(folder, "message.json"), "utf8"));
  await rm(folder, { recursive: true });
  return JSON.stringify({ ...message, runId });
}

/** A configuration whose search decides whether layers are equalized and biases corrected. */
function withTunedAlgorithms(configuration: RunConfigurationInput): RunConfigurationInput {
  const { algorithms = [], ...compression } = configuration.compression ?? {};
  const before = { name: "CrossLayerEqualization", params: { tune: true } } as const;
  const behind = { name: "FastBiasCorrection", params: { tune: true } } as const;
  return { ...configuration, compression: { ...compression, algorithms: [before, ...algorithms, behind] } };
}
