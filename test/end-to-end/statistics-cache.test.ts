import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, mock, test } from "node:test";
import { InferenceSession } from "onnxruntime-node";
import { quantize } from "../../scripts/api/quantize.js";
import { runStatisticsJob } from "../../shared/evaluation/jobs/gather-statistics.js";
import { ModelVariants } from "../../shared/evaluation/model/model-variants.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { MESSAGE_VERSION, type StatisticsJob } from "../../shared/run/protocol/messages.js";
import { STATISTICS_PREFIX } from "../../shared/statistics/reduction-graph.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { npyBytes } from "../data/write-npy.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";
import { readyFixture } from "./steps/quantizing.js";

const root = await mkdtemp(join(tmpdir(), "quantfleet-cache-"));
after(() => rm(root, { recursive: true, force: true }));
process.env.QUANTFLEET_CACHE = join(root, "cache");
afterEach(() => mock.restoreAll());

const SAMPLES = 10;

const MODEL = buildModel((graph) => {
  const first = graph.conv(graph.input("x", ["N", 4, 6, 6]), [8, 4, 3, 3], {}, { name: "first" });
  const second = graph.conv(first, [8, 8, 1, 1], {}, { name: "second" });
  graph.output(graph.conv(graph.node("Relu", [second]), [8, 8, 3, 3], {}, { name: "third", outputs: ["y"] }));
});

/**
 * Algorithms with every kind of statistics: of the float model, of the aligned model, second moments, and
 * errors per op.
 */
const ALGORITHMS = [
  { name: "ActivationChannelAlignment" as const },
  {
    name: "MinMaxQuantization" as const,
    params: {
      weights: { bits: 4 as const },
      activations: { range_estimator: { preset: "output_mse" as const } },
    },
  },
  { name: "AdaptiveRounding" as const },
  { name: "BiasCorrection" as const },
];

/** @param moved added to the first calibration value */
async function source(moved = 0) {
  const directory = await mkdtemp(join(root, "project-"));
  const random = new RandomValues(2);
  const data = Float32Array.from({ length: SAMPLES * 144 }, () => random.normal());
  data[0]! += moved;
  await writeFile(join(directory, "model.onnx"), encodeModel(MODEL));
  await writeFile(join(directory, "x.npy"), npyBytes({ descr: "<f4", shape: [SAMPLES, 4, 6, 6], data }));
  const configuration = {
    model: { model: "model.onnx" },
    engine: { calibration: { inputs: { x: "x.npy" } } },
    compression: { algorithms: ALGORITHMS },
  };
  return { configuration, directory };
}

/** Counts inferences from now on: those for statistics, and the one that determines shapes. */
function countInferences() {
  const counts = { statistics: 0, shapes: 0, others: 0 };
  const create = InferenceSession.create.bind(InferenceSession) as (
    ...made: unknown[]
  ) => Promise<InferenceSession>;
  mock.method(InferenceSession, "create", async (...made: unknown[]) => {
    const session = await create(...made);
    const run = session.run.bind(session);
    const kindOf = (name = ""): keyof typeof counts => {
      if (!name.startsWith(STATISTICS_PREFIX)) return "others";
      return name.startsWith(`${STATISTICS_PREFIX}/shape`) ? "shapes" : "statistics";
    };
    mock.method(session, "run", (feeds: InferenceSession.FeedsType) => {
      counts[kindOf(session.outputNames[0])]++;
      return run(feeds);
    });
    return session;
  });
  return counts;
}

describe("A second run with the same model and data", () => {
  test("reads all kinds of statistics from the cache, without an inference", async () => {
    const given = await source();
    const out = join(root, "quantized");
    const first = countInferences();
    const { modelBytes } = await quantize(given, { out });
    // One pass each for the aligned pairs, for all statistics and histograms, and for the second moments.
    assert.ok(first.statistics >= 3 * SAMPLES, `${first.statistics}`);
    mock.restoreAll();
    const second = countInferences();
    assert.equal((await quantize(await source(), { out })).modelBytes, modelBytes);
    // Two inferences per sample, to compare the kernels with exact arithmetic.
    assert.deepEqual(second, { statistics: 0, shapes: 0, others: 2 * SAMPLES });
  });

  test("does not use statistics of other data", async () => {
    await quantize(await source(), { out: join(root, "quantized") });
    const counts = countInferences();
    await quantize(await source(1), { out: join(root, "quantized") });
    assert.ok(counts.statistics >= 3 * SAMPLES, `${counts.statistics}`);
  });

  test("answers a run's statistics job without reading a sample", async () => {
    const { subject, batch } = await readyFixture({ name: "cached", build: () => MODEL });
    const store = new MemoryObjectStore();
    const job: StatisticsJob = {
      version: MESSAGE_VERSION,
      type: "statistics",
      runId: "run",
      attempt: 0,
      key: "statistics/key",
      shard: { index: 0, count: 1 },
      deadline: 1,
    };
    const rewrite = async () => subject;
    const variants = new ModelVariants(subject, rewrite, () => job.key);
    const answer = async (batchOf: () => typeof batch) => {
      const workload = { calibrationBatches: { count: SAMPLES, batch: batchOf }, variants };
      return (await runStatisticsJob(job, { workload, statistics: store, now: () => 0 })).outcome;
    };
    const unread = () => {
      throw new Error("a sample is read");
    };
    assert.deepEqual(await answer(unread), { state: "failed", reason: "a sample is read" });
    assert.equal((await answer(() => batch)).state, "complete");
    assert.equal((await answer(unread)).state, "complete");
  });
});
