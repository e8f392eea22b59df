import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { closestPreset } from "../../../shared/evaluation/quantizer/closest-preset.js";
import { OutputNoise } from "../../../shared/evaluation/quantizer/output-noise.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { presetOptions, TRIED_PRESETS } from "../../../shared/quantization/space/preset-options.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import {
  prepareSmallNet,
  quantizationSettings,
  SMALL_NET_INPUT,
  tuningOptions,
} from "../../quantization/small-net.js";

const SAMPLES = 6;

const random = createRandomStream(5, 0, "sample-order");
const size = SMALL_NET_INPUT.reduce((product, dim) => product * dim, 1);
// Cubes of normal values: most are small, a few are outliers.
const samples = Array.from({ length: SAMPLES }, () =>
  Float32Array.from({ length: size }, () => (4 * (random.uniform() - 0.5)) ** 3),
);
const batches = {
  count: SAMPLES,
  batch: (index: number) => ({
    x: { type: "float32" as const, data: samples[index]!, dims: [1, ...SMALL_NET_INPUT] },
  }),
};
const subject = makeSubject(await prepareSmallNet(), quantizationSettings(presetOptions(tuningOptions())));
const statistics = await collectStatistics(subject.prepared.model, subject.statistics, batches);
const quantizer = new Quantizer(subject, statistics);

function closest(presets: Parameters<typeof closestPreset>[3]) {
  return closestPreset(subject, quantizer, batches, presets, DEFAULT_SESSION);
}

describe("The closest preset", () => {
  test("is the one of least noise, in any order, and applies to every activation", async () => {
    const each = await Promise.all(TRIED_PRESETS.map((preset) => closest([preset])));
    assert.ok(each.every(({ noise }) => noise > 0 && noise < 1));
    assert.ok(new Set(each.map(({ noise }) => noise)).size > 1, "the presets differ");
    const least = each.reduce((best, tried) => (tried.noise < best.noise ? tried : best));
    assert.deepEqual(await closest(TRIED_PRESETS), least);
    assert.equal((await closest(TRIED_PRESETS.toReversed())).noise, least.noise);
    const { plan } = quantizer.quantize(least.choices);
    const types = new Set([...plan.activations.values()].map(({ estimator }) => estimator.max.type));
    assert.deepEqual(types, new Set([least.preset === "default" ? "abs_max" : least.preset]));
  });

  test("has UINT8 codes where they are clearly closer and the device has them", async () => {
    const settings = quantizationSettings(presetOptions(tuningOptions()));
    const portable = makeSubject(await prepareSmallNet(), { ...settings, targetDevice: "ANY" });
    const table = await collectStatistics(portable.prepared.model, portable.statistics, batches);
    const made = new Quantizer(portable, table);
    const { noise, codes, choices } = await closestPreset(portable, made, batches, ["mse"], DEFAULT_SESSION);
    const unsigned = Object.keys(choices).filter((name) => choices[name] === "uint8");
    assert.equal(unsigned.length > 0, codes === "uint8");
    const forms = portable.space.parameters.filter(({ name }) => name.endsWith("/weights/codes"));
    assert.ok(forms.length > 0 && forms.every(({ choices: offered }) => offered.includes("uint8")));
    const whole = Object.fromEntries(forms.map(({ name }) => [name, "uint8"]));
    const paired = Object.fromEntries(forms.map(({ name }) => [name, "int8_paired"]));
    const compared = await OutputNoise.against(
      portable,
      batches,
      { most: SAMPLES, fewest: 1, bytes: 2 ** 20 },
      DEFAULT_SESSION,
    );
    const noiseOf = (form: object) => compared.of(made.quantize({ ...choices, ...form }).model);
    const [fine, fast] = [await noiseOf(whole), await noiseOf(paired)];
    assert.equal(codes === "uint8", fast > Math.max(0.01, 1.2 * fine));
    assert.equal(noise, codes === "uint8" ? fine : fast);
  });

  test("is the first of those that are equally close", async () => {
    assert.equal((await closest(["mse", "mse"])).preset, "mse");
  });

  test("compares the outputs of a Softmax as logits", async () => {
    const [probabilities, logits] = [
      await noiseBehind("Softmax", (graph, made) => graph.node("Softmax", [made])),
      await noiseBehind("centred", (graph, made) =>
        graph.node("Sub", [made, graph.node("ReduceMean", [made], { axes: [-1] })]),
      ),
    ];
    assert.ok(logits > 1e-6);
    assert.ok(Math.abs(probabilities / logits - 1) < 1e-3);
  });

  test("changes activations only", async () => {
    const { choices } = await closest(["entropy"]);
    for (const [name, choice] of Object.entries(choices)) {
      assert.equal(choice, name.includes("/activations/") ? "entropy" : "default");
    }
  });
});

/** The noise of a small classifier with large logits, with a Softmax behind them or without. */
async function noiseBehind(
  name: string,
  end: (graph: GraphBuilder, logits: string) => string,
): Promise<number> {
  const model = buildModel((graph) => {
    const x = graph.input("x", [1, ...SMALL_NET_INPUT]);
    const flat = graph.node("Flatten", [x]);
    const logits = graph.node("Gemm", [flat, graph.random("w", [size, 3], 0.25), graph.random("b", [3])]);
    graph.output(end(graph, logits), DataType.FLOAT, [1, 3]);
  });
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-closest-"));
  try {
    const path = join(folder, `${name}.onnx`);
    await writeFile(path, encodeModel(model));
    const small = makeSubject(
      await prepareModelFile(path),
      quantizationSettings(presetOptions(tuningOptions())),
    );
    const table = await collectStatistics(small.prepared.model, small.statistics, batches);
    const made = new Quantizer(small, table);
    return (await closestPreset(small, made, batches, ["mse"], DEFAULT_SESSION)).noise;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
