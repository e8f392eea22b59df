import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { tune } from "../../../scripts/api/tune.js";
import { prepareRun } from "../../../scripts/fleet/submission/prepare-run.js";
import { uploadWorkload } from "../../../scripts/fleet/submission/workload-upload.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import {
  calibrationFiles,
  workloadConfiguration,
  workloadDocumentSchema,
} from "../../../shared/run/store/workload-document.js";
import { fetchWorkloadFiles } from "../../../shared/run/store/workload-folder.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { S3ObjectStore } from "../../../shared/storage/s3-store.js";
import { temporaryFolder } from "../../data/temporary-folder.js";
import { npyBytes } from "../../data/write-npy.js";
import { type S3Server, startS3Server } from "../../emulated/aws/s3-server.js";
import { buildModel } from "../../fixtures/models/model-builder.js";

/** One step of a recurrent network: its state has the batch on axis 1, and one input is a scalar. */
const stateful = buildModel((graph) => {
  const x = graph.input("x", ["batch", 8]);
  const state = graph.input("state", [2, "batch", 8]);
  const rate = graph.input("rate", [], DataType.INT64);
  const seen = graph.node("MatMul", [x, graph.random("seen", [8, 8], 0.3)]);
  const kept = graph.node("MatMul", [state, graph.random("kept", [8, 8], 0.3)]);
  const factor = graph.node("Div", [
    graph.node("Cast", [rate], { to: 1 }),
    graph.floats("full", [], [16000]),
  ]);
  const next = graph.node("Mul", [graph.node("Add", [kept, seen]), factor]);
  graph.output(graph.node("Tanh", [next], {}, { outputs: ["next"] }), DataType.FLOAT, [2, "batch", 8]);
});

const SAMPLES = 24;
const folder = await temporaryFolder();
process.env.QUANTFLEET_CACHE = join(folder.path, "statistics");
const floats = (shape: readonly number[]) =>
  npyBytes({
    descr: "<f4",
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1 + i * i)),
  });
await folder.write("x.npy", floats([SAMPLES, 8]));
await folder.write("state.npy", floats([SAMPLES, 2, 1, 8]));
await writeFile(join(folder.path, "model.onnx"), encodeModel(stateful));

const section = (first: number, end: number) => ({
  inputs: {
    x: { data: "x.npy", rows: [first, end] as [number, number] },
    state: { data: "state.npy", rows: [first, end] as [number, number], batch_axis: 1 },
    rate: { value: 16000 },
  },
});
const configuration: RunConfigurationInput = {
  model: { model_name: "stateful", model: "model.onnx" },
  engine: { calibration: section(0, 10), evaluation: section(10, SAMPLES), metric: { name: "sqnr" } },
  optimizer: { params: { max_trials: 2, accuracy_loss: 50, minimize: "size" } },
};
const source = { configuration, directory: folder.path };

let server: S3Server;
before(async () => {
  server = await startS3Server();
});
after(() => server.close());

test("A model with state and a scalar is tuned, with samples along its own batch axis", async () => {
  const run = await tune(source, { out: join(folder.path, "out"), workers: 1 });
  const { float, base, trials } = await run.result;
  assert.equal(trials.failed, 0);
  assert.equal(float.metric.samples, SAMPLES - 10);
  assert.ok(base !== null && "metric" in base);
  assert.ok(base.metric.value > 15 && base.metric.value < 100, String(base.metric.value));
});

test("A fleet gets the same workload: constant values and batch axes are uploaded with the configuration", async () => {
  const store = new S3ObjectStore({ client: server.client, bucket: "runs" });
  const { workload, configurationHash, request } = await prepareRun(
    source,
    {},
    { statistics: new MemoryObjectStore() },
    folder.path,
  );
  assert.deepEqual(request.warnings ?? [], []);
  const uploaded = await uploadWorkload(store, workload, configurationHash);
  const document = workloadDocumentSchema.parse(JSON.parse(JSON.stringify(uploaded)));
  const elsewhere = join(folder.path, "elsewhere");
  await fetchWorkloadFiles(store, document.files, {
    folder: elsewhere,
    cache: join(folder.path, "contents"),
  });
  const moved = workloadConfiguration(document, elsewhere);
  assert.equal(calibrationFiles(document, moved).length, 3);
  const fetched = await loadWorkload(moved, elsewhere, async () => new MemoryObjectStore());
  assert.equal(fetched.measuredUnder, workload.measuredUnder);
  assert.equal(fetched.statisticsKey, workload.statisticsKey);
  assert.deepEqual(await fetched.evaluation.batch([3, 1]), await workload.evaluation.batch([3, 1]));
});
