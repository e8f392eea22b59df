import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfiguration } from "../../../scripts/api/configuration.js";
import { requireSupported } from "../../../shared/configuration/supported.js";
import { ThreadPool } from "../../../shared/evaluation/threads/thread-pool.js";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { MESSAGE_VERSION, type TrialJob } from "../../../shared/run/protocol/messages.js";
import { FileObjectStore } from "../../../shared/storage/file-store.js";
import { demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-pool-"));
after(() => rm(folder, { recursive: true, force: true }));

async function openPool(slots: number, metric?: string): Promise<ThreadPool> {
  const demo = await demoConfiguration({ trials: 1, calibration: 4, evaluation: 64 });
  const engine = metric === undefined ? demo.engine : { ...demo.engine, metric: { module: metric } };
  const { configuration, directory } = await loadConfiguration({
    configuration: { ...demo, engine },
    directory: folder,
  });
  requireSupported(configuration, "tune");
  const pool = new ThreadPool(slots).open({
    configuration,
    directory,
    records: join(folder, "records"),
    statistics: { folder: join(folder, "statistics"), shards: 1 },
    properties: {},
  });
  after(() => pool.close());
  const { statisticsKey: key } = await loadWorkload(configuration, directory, () =>
    FileObjectStore.open(join(folder, "statistics")),
  );
  const gathered = await pool.run({ ...STATISTICS_JOB, key }, never);
  assert.ok(gathered.type === "StatisticsReported" && gathered.outcome.state === "complete");
  return pool;
}

const BASE = {
  version: MESSAGE_VERSION,
  runId: "test",
  attempt: 1,
  shard: { index: 0, count: 1 },
  deadline: 0,
} as const;
const STATISTICS_JOB = { ...BASE, type: "statistics" } as const;
/** Scores the float model. */
const JOB: TrialJob = { ...BASE, type: "trial", trial: 0, configuration: null, measureLatency: false };

const never = new AbortController().signal;

describe("A pool of worker threads", () => {
  test("resolves prepared() when its threads are open, and also when opening fails", async () => {
    await (await openPool(2)).prepared();
    const pool = new ThreadPool<object>(1).open({});
    after(() => pool.close());
    await pool.prepared();
    await assert.rejects(pool.run(JOB, never), { code: "RUN_FAILED" });
  });

  test("resolves loaded() when its threads have loaded their module, before they are opened", async () => {
    const pool = new ThreadPool<object>(2);
    after(() => pool.close());
    await pool.loaded();
  });

  test("carries out as many jobs at a time as it has slots, and refuses one more", async () => {
    const pool = await openPool(2);
    const both = [pool.run(JOB, never), pool.run(JOB, never)];
    await assert.rejects(pool.run(JOB, never), {
      code: "RUN_FAILED",
      message: "All 2 worker threads are busy; wait for one.",
    });
    const [first, second] = await Promise.all(both);
    assert.ok(first?.type === "TrialReported" && first.outcome.state === "complete");
    assert.ok(second?.type === "TrialReported" && second.outcome.state === "complete");
    assert.deepEqual(second.outcome.rows, first.outcome.rows);
    assert.notEqual(second.worker, first.worker);
  });

  test("cancels a job on an abort", async () => {
    const pool = await openPool(1);
    await assert.rejects(pool.run(JOB, AbortSignal.abort()), { code: "RUN_FAILED" });
  });

  test("replaces a thread that dies, and names it and the reason", async () => {
    await writeFile(join(folder, "dies.mjs"), "export const score = () => process.exit(7);\n");
    const pool = await openPool(1, "./dies.mjs");
    for (let i = 0; i < 2; i++) {
      await assert.rejects(pool.run(JOB, never), {
        code: "RUN_FAILED",
        message: "Worker thread worker-1 died: it ended with code 7.",
      });
    }
  });

  test("closes while its threads are at work, without ending the process", async () => {
    // Terminated within ONNX Runtime, a thread ends the process, and this test with it.
    for (let i = 0; i < 4; i++) {
      const pool = await openPool(2);
      const jobs = [pool.run(JOB, never), pool.run(JOB, never)].map((job) => job.catch(() => undefined));
      await sleep(6 * i);
      await pool.close();
      await Promise.all(jobs);
    }
  });
});
