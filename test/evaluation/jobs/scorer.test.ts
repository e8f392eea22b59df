import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Dataset } from "../../../shared/data/dataset.js";
import { Scorer, type ScorerOptions } from "../../../shared/evaluation/jobs/scorer.js";
import { createMetric } from "../../../shared/metrics/create-metric.js";
import type { Metric } from "../../../shared/metrics/metric.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DEFAULT_SESSION, openSession, portsOf } from "../../../shared/runtime/session.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { SMALL_NET_INPUT, smallNet } from "../../quantization/small-net.js";

const SAMPLES = 50;
const WIDTH = SMALL_NET_INPUT.reduce((product, axis) => product * axis, 1);

const random = createRandomStream(3, 0, "sample-order");
const values = Float32Array.from({ length: SAMPLES * WIDTH }, () => random.normal());
const classes = Int32Array.from({ length: SAMPLES }, () => random.below(3));

const dataset: Dataset = {
  samples: SAMPLES,
  contentHash: "",
  fixedBatch: undefined,
  locate: (samples) => `samples ${numbersOf(samples).join(", ")}`,
  extremes: () => [],
  sampleKeys: async () => [],
  verify: async () => undefined,
  batch: (samples) => {
    const wanted = numbersOf(samples);
    const data = new Float32Array(wanted.length * WIDTH);
    wanted.forEach((sample, i) => {
      data.set(values.subarray(sample * WIDTH, (sample + 1) * WIDTH), i * WIDTH);
    });
    return { x: { type: "float32", data, dims: [wanted.length, ...SMALL_NET_INPUT] } };
  },
  labels: (samples) => {
    const wanted = numbersOf(samples);
    const data = Int32Array.from(wanted, (sample) => classes[sample]!);
    return { kind: "numbers", shape: [wanted.length], data, integers: true };
  },
};

function numbersOf(samples: Parameters<Dataset["batch"]>[0]): readonly number[] {
  if ("from" in samples) {
    return Array.from({ length: samples.to - samples.from }, (_, i) => samples.from + i);
  }
  return Array.from(samples);
}

const dynamic = await openSession(encodeModel(smallNet()), DEFAULT_SESSION);
const fixed = await openSession(encodeModel(smallNet(4)), DEFAULT_SESSION);
after(async () => {
  await dynamic.release();
  await fixed.release();
});
const { outputs } = portsOf(dynamic);
const accuracy = await createMetric(
  { name: "accuracy", top_k: 1 },
  { directory: ".", outputs, labelled: true },
);
const mse = await createMetric({ name: "mse" }, { directory: ".", outputs, labelled: false });

const inOrder = Array.from({ length: SAMPLES }, (_, i) => i);

function scorer(options: Partial<ScorerOptions> = {}): Scorer {
  return new Scorer({
    dataset,
    metric: accuracy,
    batchSize: 8,
    order: inOrder,
    openFloat: () => openSession(encodeModel(smallNet()), DEFAULT_SESSION),
    ...options,
  });
}

/** Accuracy that also sees whether outputs are as long as their shapes say. */
const careful: Metric = {
  ...accuracy,
  score: (given, reference) => {
    for (const { data, dims } of Object.values(given)) {
      assert.equal(
        data.length,
        dims.reduce((product, dim) => product * dim, 1),
      );
    }
    return accuracy.score(given, reference);
  },
};

describe("Scores", () => {
  const expected = scorer().score(dynamic);

  test("have one row per sample, some right and some wrong", async () => {
    const { rows, samples } = await expected;
    assert.equal(rows.length, SAMPLES);
    assert.equal(samples, SAMPLES);
    assert.deepEqual(new Set(rows), new Set([0, 1]));
  });

  for (const batchSize of [1, 3, 16, SAMPLES, 64]) {
    test(`are the same in batches of ${batchSize}`, async () => {
      assert.deepEqual((await scorer({ batchSize }).score(dynamic)).rows, (await expected).rows);
    });
  }

  test("are the same from a model of a fixed batch, whose last batch is filled up", async () => {
    const padded = await scorer({ metric: careful, dataset: { ...dataset, fixedBatch: 4 } }).score(fixed);
    assert.deepEqual(padded.rows, (await expected).rows);
  });

  test("come in the requested order", async () => {
    const order = inOrder.toReversed();
    const { rows } = await scorer({ order }).score(dynamic);
    assert.deepEqual(rows, (await expected).rows.toReversed());
  });

  test("of the first samples are the first of all scores", async () => {
    const looked: number[] = [];
    const few = await scorer().score(dynamic, undefined, (_, samples) => {
      looked.push(samples);
      return samples >= 24;
    });
    assert.deepEqual(looked, [8, 16, 24]);
    assert.deepEqual(few.rows, (await expected).rows.slice(0, 24));
    assert.equal(few.samples, 24);
  });

  test("stop on an abort", async () => {
    await assert.rejects(scorer().score(dynamic, AbortSignal.abort()), { name: "AbortError" });
  });

  test("of the float model against its own outputs are perfect, also in filled-up batches", async () => {
    const comparing = scorer({ metric: mse });
    const twice = [await comparing.score(dynamic), await comparing.score(dynamic)];
    await comparing.release();
    for (const { rows } of twice) assert.deepEqual(mse.aggregate(rows), 0);
    const padded = scorer({
      metric: mse,
      batchSize: 4,
      dataset: { ...dataset, fixedBatch: 4 },
      openFloat: () => openSession(encodeModel(smallNet(4)), DEFAULT_SESSION),
    });
    const { rows, samples } = await padded.score(fixed);
    await padded.release();
    assert.equal(samples, SAMPLES);
    assert.deepEqual(mse.aggregate(rows), 0);
  });
});
