import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MetricConfiguration } from "../../../shared/configuration/engine-schema.js";
import { loadDataset } from "../../../shared/data/load-dataset.js";
import { Scorer } from "../../../shared/evaluation/jobs/scorer.js";
import { createMetric } from "../../../shared/metrics/create-metric.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { runSamples } from "../../../shared/runtime/run-samples.js";
import { DEFAULT_SESSION, openSession, portsOf } from "../../../shared/runtime/session.js";
import { temporaryFolder } from "../../data/temporary-folder.js";
import { npyBytes } from "../../data/write-npy.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";

const SAMPLES = 7;
const WIDTH = 3;
const folder = await temporaryFolder();
const values = Float32Array.from({ length: SAMPLES * WIDTH }, (_, index) => Math.sin(1 + index));
await folder.write("x.npy", npyBytes({ descr: "<f4", shape: [SAMPLES, WIDTH], data: values }));
await folder.write(
  "ids.npy",
  npyBytes({ descr: "<i8", shape: [4, 1], data: BigInt64Array.of(0n, 2n, 5n, 1n) }),
);

/** A model of one input `x`, whose output `make` builds; `gain` distinguishes one model from another. */
function model(
  batch: number | string,
  gain: number,
  make: (graph: GraphBuilder, x: string) => string,
): Model {
  return buildModel((graph) => {
    const x = graph.input("x", [batch, WIDTH]);
    const scaled = graph.node("Mul", [x, graph.floats("gain", [1], [gain])]);
    graph.output(graph.node("Identity", [make(graph, scaled)], {}, { outputs: ["y"] }), DataType.FLOAT, []);
  });
}

async function score(
  float: Model,
  other: Model,
  metric: MetricConfiguration = { name: "sqnr" },
  batchSize = 4,
) {
  const session = await openSession(encodeModel(other), DEFAULT_SESSION);
  const { inputs, outputs } = portsOf(session);
  const dataset = await loadDataset(
    { inputs: { x: { data: "x.npy", scale: 1 } } },
    { directory: folder.path, inputs, path: "engine.evaluation" },
  );
  const scorer = new Scorer({
    dataset,
    metric: await createMetric(metric, { directory: folder.path, outputs, labelled: false }),
    batchSize,
    order: Array.from({ length: SAMPLES }, (_, sample) => sample),
    openFloat: () => openSession(encodeModel(float), DEFAULT_SESSION),
  });
  try {
    return await scorer.score(session);
  } finally {
    await scorer.release();
    await session.release();
  }
}

/** Roots of the energies of signal and noise, where each sample's output is what `of` makes of its values. */
function expectedRows(of: (sample: readonly number[]) => readonly number[], gain: number): number[] {
  return Array.from({ length: SAMPLES }, (_, sample) => {
    const output = of([...values.subarray(sample * WIDTH, (sample + 1) * WIDTH)]);
    const energy = output.reduce((sum, value) => sum + value ** 2, 0);
    return [Math.sqrt(energy), Math.sqrt(energy) * Math.abs(1 - gain)];
  }).flat();
}

function assertClose(rows: Float32Array, expected: readonly number[]): void {
  assert.equal(rows.length, expected.length);
  for (const [index, value] of expected.entries())
    assert.ok(Math.abs(rows[index]! - value) < 1e-5, `${index}`);
}

const sum = (values: readonly number[]) => [values.reduce((total, value) => total + value, 0)];
const same = (sample: readonly number[]) => sample;
/** Reduces over all axes, so that a batch of several samples gives one number. */
const scalar = (graph: GraphBuilder, x: string) => graph.node("ReduceSum", [x], { keepdims: 0 });
const timeFirst = (graph: GraphBuilder, x: string) => graph.node("Transpose", [x], { perm: [1, 0] });
const flat = (graph: GraphBuilder, x: string) => graph.node("Reshape", [x, graph.ints("flat", [-1])]);

const GAIN = 0.75;
const CASES = [
  ["a scalar", scalar, sum],
  ["time first", timeFirst, same],
  ["flattened over the batch", flat, same],
] as const;

describe("An output whose first axis does not count samples", () => {
  for (const [what, make, of] of CASES) {
    for (const batch of ["N", 1]) {
      test(`is scored one sample at a time or along its own axis: ${what}, batch ${batch}`, async () => {
        const { rows, samples } = await score(model(batch, 1, make), model(batch, GAIN, make));
        assert.equal(samples, SAMPLES);
        assertClose(rows, expectedRows(of, GAIN));
      });
    }
  }

  for (const metric of [{ name: "mse" }, { name: "cosine" }, { name: "sqnr" }] as const) {
    test(`is named and refused where a fixed batch hides the samples: ${metric.name}`, async () => {
      for (const make of [scalar, flat]) {
        await assert.rejects(score(model(4, 1, make), model(4, GAIN, make), metric), {
          code: "DATA",
          message: /output "y" has shape \[.*\] for a batch of 4 samples.*engine\.metric\.output/,
        });
      }
    });
  }

  for (const batch of [4, WIDTH]) {
    test(`of a fixed batch is found by changing samples: ${batch}, time first`, async () => {
      const { rows } = await score(model(batch, 1, timeFirst), model(batch, GAIN, timeFirst));
      assertClose(rows, expectedRows(same, GAIN));
    });
  }

  test("of length equal to the batch by chance is told from samples", async () => {
    // Time first, with as many steps as samples in a batch.
    const { rows } = await score(
      model("N", 1, timeFirst),
      model("N", GAIN, timeFirst),
      { name: "sqnr" },
      WIDTH,
    );
    assertClose(rows, expectedRows(same, GAIN));
  });

  test("is accepted where the model takes one sample at a time, whatever its input declares", async () => {
    const baked = (graph: GraphBuilder, x: string) =>
      graph.node("Reshape", [x, graph.ints("baked", [1, WIDTH])]);
    const { rows } = await score(model("N", 1, baked), model("N", GAIN, baked));
    assertClose(rows, expectedRows(same, GAIN));
  });
});

describe("A model whose outputs have other names than the float model's", () => {
  test("is refused with the names of both models' outputs", async () => {
    const named = (output: string) =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", WIDTH]);
        graph.output(graph.node("Neg", [x], {}, { outputs: [output] }), DataType.FLOAT, ["N", WIDTH]);
      });
    for (const metric of [{ name: "agreement" }, { name: "sqnr" }] as const) {
      await assert.rejects(score(named("y"), named("z"), metric), {
        code: "DATA",
        message: /no output "z", which metric .* compares with; its outputs are y, so give a model/,
      });
    }
  });
});

describe("Pictures in the other layout, for a model with free axes", () => {
  test("are refused with the advice to transpose them", async () => {
    const conv = buildModel((graph) => {
      const x = graph.input("x", ["N", "C", "H", "W"]);
      const weights = graph.random("w", [2, 3, 1, 1], 1);
      graph.output(graph.node("Conv", [x, weights], {}, { outputs: ["y"] }), DataType.FLOAT, [
        "N",
        2,
        "H",
        "W",
      ]);
    });
    const session = await openSession(encodeModel(conv), DEFAULT_SESSION);
    const pictures = { type: "float32", dims: [1, 8, 8, 3], data: new Float32Array(192) } as const;
    await assert.rejects(
      runSamples(session, { x: pictures }, () => "engine.calibration.inputs.x (x.npy), row 0"),
      { code: "DATA", message: /^engine\.calibration\.inputs\.x .* transpose with \(0, 3, 1, 2\)/ },
    );
    await session.release();
  });
});

describe("A sample that the model cannot be run on", () => {
  test("is named with its file and row", async () => {
    const lookup = buildModel((graph) => {
      const ids = graph.input("x", ["N", 1], DataType.INT64);
      const table = graph.random("table", [4, 2], 1);
      graph.output(graph.node("Gather", [table, ids], {}, { outputs: ["y"] }), DataType.FLOAT, ["N", 1, 2]);
    });
    const session = await openSession(encodeModel(lookup), DEFAULT_SESSION);
    const { inputs, outputs } = portsOf(session);
    const dataset = await loadDataset(
      { inputs: { x: { data: "ids.npy", scale: 1 } } },
      { directory: folder.path, inputs, path: "engine.evaluation" },
    );
    assert.deepEqual(dataset.extremes([0, 1, 2, 3]), [0, 2]);
    assert.deepEqual(dataset.extremes([1, 3]), [3, 1]);
    const scorer = new Scorer({
      dataset,
      metric: await createMetric({ name: "mse" }, { directory: ".", outputs, labelled: false }),
      batchSize: 4,
      order: [3, 2, 1, 0],
      openFloat: () => openSession(encodeModel(lookup), DEFAULT_SESSION),
    });
    const refusal = {
      code: "DATA",
      message:
        /^engine\.evaluation\.inputs\.x \(ids\.npy\), row 2: .*Gather.*idx=5 must be within.*; correct the data/,
    };
    await assert.rejects(scorer.score(session), refusal);
    await assert.rejects(scorer.check(session, [0, 1, 2, 3]), refusal);
    await scorer.release();
    await session.release();
  });
});
