import assert from "node:assert/strict";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, test } from "node:test";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { runStatisticsJob } from "../../../shared/evaluation/jobs/gather-statistics.js";
import { loadCalibration } from "../../../shared/evaluation/workload/calibration-workload.js";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import {
  calibrationFiles,
  type WorkloadDocument,
  type WorkloadFile,
  workloadConfiguration,
} from "../../../shared/run/store/workload-document.js";
import { readStatistics } from "../../../shared/statistics/shard-store.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { DEMO, demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-calibration-"));
after(() => rm(folder, { recursive: true, force: true }));

const demo = await demoConfiguration({ trials: 2, calibration: 5, evaluation: 20 });

/** The demo with the samples of each section in separate files, named as by `submit`. */
function asSubmitted(): RunConfigurationInput {
  const { calibration, evaluation, validation, ...engine } = demo.engine ?? {};
  const moved = (section: typeof calibration, name: string): typeof calibration => ({
    ...section,
    inputs: Object.fromEntries(
      Object.entries(section?.inputs ?? {}).map(([input, source]) => [
        input,
        { ...(source as { data: string }), data: `data/${name}/x.npy` },
      ]),
    ),
    ...(section?.labels === undefined
      ? {}
      : { labels: { ...(section.labels as { data: string }), data: `data/${name}/y.npy` } }),
  });
  return {
    ...demo,
    model: { model_name: "demo", model: "model/model.onnx" },
    engine: {
      ...engine,
      calibration: moved(calibration, "0"),
      evaluation: moved(evaluation, "1"),
      validation: moved(validation, "2"),
    },
  };
}

const file = (path: string): WorkloadFile => ({
  path,
  key: `data/${path}`,
  bytes: 1,
  sha256: "0".repeat(64),
});
const document: WorkloadDocument = {
  version: 1,
  configuration: asSubmitted() as Record<string, unknown>,
  configurationHash: "0".repeat(64),
  files: ["model/model.onnx", "data/0/x.npy", "data/1/x.npy", "data/1/y.npy", "data/2/x.npy"].map(file),
  outputs: [],
};

test("Statistics need only model and calibration samples, and equal those of the whole workload", async () => {
  const configuration = workloadConfiguration(document, folder);
  const needed = calibrationFiles(document, configuration).map(({ path }) => path);
  assert.deepEqual(needed, ["model/model.onnx", "data/0/x.npy"]);
  for (const path of needed) await cp(join(DEMO, basename(path)), join(folder, path));
  const [alone, beside] = [new MemoryObjectStore(), new MemoryObjectStore()];
  const whole = await loadWorkload(workloadOf(demo), folder, async () => beside);
  const calibrating = await loadCalibration(configuration, folder, async () => alone);
  for (const [workload, statistics] of [
    [calibrating, alone],
    [whole, beside],
  ] as const) {
    const shard = { index: 0, count: 1 };
    const key = whole.statisticsKey;
    const job = { version: 1, type: "statistics", runId: "r", attempt: 1, shard, key, deadline: 1 } as const;
    const { outcome } = await runStatisticsJob(job, { workload, statistics, now: () => 1 });
    assert.equal(outcome.state, "complete");
  }
  const gathered = await readStatistics(alone, whole.statisticsKey, 1);
  assert.ok(gathered !== undefined);
  assert.deepEqual(gathered, await readStatistics(beside, whole.statisticsKey, 1));
  // The evaluation samples are not there.
  await assert.rejects(
    loadWorkload(configuration, folder, async () => alone),
    /data\/1\/x\.npy/,
  );
});

function workloadOf(given: RunConfigurationInput) {
  return workloadConfiguration({ ...document, configuration: given as Record<string, unknown> }, folder);
}
