import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { InferenceSession } from "onnxruntime-node";
import { evaluate } from "../../scripts/api/evaluate.js";
import { quantize } from "../../scripts/api/quantize.js";
import { ModelError } from "../../shared/basics/errors.js";
import { decodeModel, encodeModel, type Model } from "../../shared/onnx/model/codec.js";
import { externalizeData } from "../../shared/onnx/model/external-data.js";
import { DataType, isExternal } from "../../shared/onnx/model/tensor.js";
import { toFeeds } from "../../shared/runtime/feeds.js";
import { npyBytes } from "../data/write-npy.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";

const root = await mkdtemp(join(tmpdir(), "quantfleet-files-"));
after(() => rm(root, { recursive: true, force: true }));
process.env.QUANTFLEET_CACHE = join(root, "cache");

const SAMPLES = 10;

/**
 * Lower than in model-features.test.ts, because the preset averages the samples' ranges, which clips a few
 * values.
 */
const LEAST_SQNR = 20;

function normal(length: number, seed: number): Float32Array {
  const random = new RandomValues(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** Convolutions whose weights are large enough to be external data. */
function convolutions(batch: number | string): Model {
  return buildModel((graph) => {
    const pads = { pads: [1, 1, 1, 1] };
    const first = graph.conv(graph.input("x", [batch, 8, 8, 8]), [16, 8, 3, 3], pads, { name: "first" });
    graph.output(
      graph.conv(graph.node("Relu", [first]), [16, 16, 3, 3], pads, { name: "second", outputs: ["y"] }),
    );
  });
}

interface InputArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** Writes a model and arrays into a folder, and returns a configuration that names them. */
async function project(model: Model | Uint8Array, arrays: Readonly<Record<string, InputArray>>) {
  const directory = await mkdtemp(join(root, "project-"));
  await writeFile(join(directory, "model.onnx"), model instanceof Uint8Array ? model : encodeModel(model));
  for (const [name, { shape, data }] of Object.entries(arrays)) {
    const descr = data instanceof Float32Array ? "<f4" : "<i8";
    await writeFile(join(directory, `${name}.npy`), npyBytes({ descr, shape, data }));
  }
  const inputs = Object.fromEntries(Object.keys(arrays).map((name) => [name, `${name}.npy`]));
  const configuration = {
    model: { model: "model.onnx" },
    engine: {
      calibration: { inputs },
      evaluation: { inputs },
      metric: { name: "sqnr" as const },
      batch_size: 3,
    },
    compression: { algorithms: [{ name: "TunableQuantization" as const, params: {} }] },
  };
  return { directory, source: { configuration, directory } };
}

const images = { x: { shape: [SAMPLES, 8, 8, 8], data: normal(SAMPLES * 512, 1) } };

describe("quantizing files", () => {
  test("nodes may be in any order", async () => {
    const shuffled = convolutions("N");
    shuffled.graph.node.reverse();
    const { source } = await project(shuffled, images);
    const result = await quantize(source, { out: join(root, "shuffled") });
    assert.equal(result.quantizedShare.byCount, 1);
    const { metric } = await evaluate(result.model, source);
    assert.ok(metric.value >= LEAST_SQNR, `${metric.value} dB`);
  });

  test("dimensions with names for unknown sizes may differ", async () => {
    for (const unknown of ["?", "None", "unk__7", "-1"]) {
      const model = buildModel((graph) => {
        const x = graph.input("x", ["N", 4, unknown, unknown]);
        const doubled = graph.input("doubled", ["N", 4, unknown, unknown]);
        const halves = graph.node("MaxPool", [doubled], { kernel_shape: [2, 1], strides: [2, 1] });
        const sum = graph.node("Add", [graph.conv(x, [4, 4, 1, 1]), graph.conv(halves, [4, 4, 1, 1])]);
        graph.output(sum, DataType.FLOAT, ["N", 4, unknown, unknown]);
      });
      const { source } = await project(model, {
        x: { shape: [SAMPLES, 4, 3, 5], data: normal(SAMPLES * 60, 3) },
        doubled: { shape: [SAMPLES, 4, 6, 5], data: normal(SAMPLES * 120, 4) },
      });
      const result = await quantize(source, { out: join(root, "unknown") });
      const { metric } = await evaluate(result.model, source);
      assert.ok(metric.value >= LEAST_SQNR, `${metric.value} dB`);
    }
  });

  test("external data stay external, and are written beside the model", async () => {
    const model = convolutions("N");
    const pieces = externalizeData(model, "weights.bin");
    assert.equal(pieces.length, 4);
    const { directory, source } = await project(model, images);
    await writeFile(join(directory, "weights.bin"), Buffer.concat(pieces));
    const out = join(root, "quantized");
    const result = await quantize(source, { out });
    assert.deepEqual((await readdir(out)).sort(), ["model.onnx", "model.onnx.data"]);
    const floatBytes = await Promise.all(
      ["model.onnx", "weights.bin"].map((name) => stat(join(directory, name))),
    );
    assert.equal(
      result.floatModelBytes,
      floatBytes.reduce((sum, { size }) => sum + size, 0),
    );
    const written = decodeModel(await readFile(result.model), result.model);
    const external = written.graph.initializer.filter(isExternal);
    assert.ok(external.length >= 2);
    for (const { externalData } of external) {
      assert.equal(externalData.find(({ key }) => key === "location")?.value, "model.onnx.data");
    }
    const { metric } = await evaluate(result.model, source);
    assert.ok(metric.value >= LEAST_SQNR, `${metric.value} dB`);

    const moved = join(root, "moved");
    await mkdir(moved);
    for (const name of await readdir(out)) await copyFile(join(out, name), join(moved, name));
    await rm(directory, { recursive: true });
    await rm(out, { recursive: true });
    const session = await InferenceSession.create(join(moved, "model.onnx"));
    const sample = { type: "float32", dims: [1, 8, 8, 8], data: images.x.data.slice(0, 512) } as const;
    const { y } = await session.run(toFeeds({ x: sample }));
    assert.deepEqual(y!.dims, [1, 16, 8, 8]);
    await session.release();
  });

  test("missing external data are refused, and nothing is written", async () => {
    const model = convolutions("N");
    externalizeData(model, "weights.bin");
    const { source } = await project(model, images);
    const out = join(root, "unwritten");
    await assert.rejects(quantize(source, { out }), (error: unknown) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /^The external data ".*weights\.bin" of initializer ".*" cannot be read;/);
      return true;
    });
    await assert.rejects(stat(out), { code: "ENOENT" });
  });

  for (const batch of [1, 4] as const) {
    test(`a batch fixed to ${batch} takes ${SAMPLES} samples`, async () => {
      const { source } = await project(convolutions(batch), images);
      const result = await quantize(source, { out: join(root, `batch-${batch}`) });
      assert.deepEqual(result.integerKernels, { quantized: 2, integer: 2, unfused: [] });
      const { metric } = await evaluate(result.model, source);
      assert.equal(metric.samples, SAMPLES);
      assert.ok(metric.value >= LEAST_SQNR, `${metric.value} dB`);
    });
  }

  test("several inputs, including one of integers, and several outputs", async () => {
    const model = buildModel((graph) => {
      const ids = graph.input("ids", ["N", 4], DataType.INT64);
      const embedded = graph.node("Flatten", [graph.node("Gather", [graph.random("table", [16, 8]), ids])]);
      const features = graph.node("Relu", [graph.matMul(graph.input("features", ["N", 24]), 24, 32)]);
      const joined = graph.node("Concat", [embedded, features], { axis: 1 });
      graph.output(graph.matMul(joined, 64, 16, { outputs: ["scores"] }));
      graph.output(graph.matMul(joined, 64, 4, { outputs: ["box"] }));
    });
    const random = new RandomValues(9);
    const { source } = await project(model, {
      ids: {
        shape: [SAMPLES, 4],
        data: BigInt64Array.from({ length: 4 * SAMPLES }, () => BigInt(random.below(16))),
      },
      features: { shape: [SAMPLES, 24], data: normal(24 * SAMPLES, 2) },
    });
    const result = await quantize(source, { out: join(root, "several") });
    assert.deepEqual(result.integerKernels, { quantized: 3, integer: 3, unfused: [] });
    assert.deepEqual(result.quantizedShare, { byCount: 1, byParameters: 1 });
    const { metric } = await evaluate(result.model, source);
    assert.ok(metric.value >= LEAST_SQNR, `${metric.value} dB`);
  });

  test("the model's metadata name the configuration, and sessions of every optimization level load it", async () => {
    const { source } = await project(convolutions("N"), images);
    const result = await quantize(source, { out: join(root, "named") });
    const written = decodeModel(await readFile(result.model), result.model);
    const keys = written.metadataProps.map(({ key }) => key);
    assert.ok(keys.includes("quantfleet.configuration"));
    assert.deepEqual(
      written.opsetImport.map(({ domain }) => domain),
      [""],
    );
    for (const level of ["disabled", "basic", "extended", "all"] as const) {
      const session = await InferenceSession.create(result.model, { graphOptimizationLevel: level });
      assert.deepEqual(session.outputNames, ["y"]);
      await session.release();
    }
  });
});
