import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { presetOptions, TRIED_PRESETS } from "../../shared/quantization/preset-options.js";
import { closestPreset } from "../../shared/scoring/closest-preset.js";
import { Quantizer } from "../../shared/scoring/quantizer.js";
import { DEFAULT_SESSION } from "../../shared/scoring/session.js";
import { makeSubject } from "../../shared/scoring/subject.js";
import { createRandomStream } from "../../shared/search/random.js";
import { collectStatistics } from "../../shared/statistics/collect.js";
import {
  prepareSmallNet,
  quantizationSettings,
  SMALL_NET_INPUT,
  tuningOptions,
} from "../quantization/small-net.js";

const SAMPLES = 6;

const random = createRandomStream(5, 0, "sample-order");
const size = SMALL_NET_INPUT.reduce((product, dim) => product * dim, 1);
// Cubes: most values are small, some are far out.
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
const quantizer = new Quantizer(subject, statistics, new Map());

function closest(presets: Parameters<typeof closestPreset>[3]) {
  return closestPreset(subject, quantizer, batches, presets, DEFAULT_SESSION);
}

describe("The closest preset", () => {
  test("is the one of least noise, whatever the order, and sets every activation", async () => {
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

  test("is the first of those that are equally close", async () => {
    assert.equal((await closest(["mse", "mse"])).preset, "mse");
  });

  test("changes activations alone", async () => {
    const { choices } = await closest(["entropy"]);
    for (const [name, choice] of Object.entries(choices)) {
      assert.equal(choice, name.includes("/activations/") ? "entropy" : "default");
    }
  });
});
