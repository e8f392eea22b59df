import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluate } from "../../scripts/api/evaluate.js";
import { quantize } from "../../scripts/api/quantize.js";
import { DEMO, demoConfiguration } from "./steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-algorithms-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

const demo = await demoConfiguration({ trials: 1, calibration: 100, evaluation: 1000 });

/** Accuracy of the demo, quantized with POT's estimators or by default, with algorithms before and after it. */
async function accuracyWith(
  out: string,
  before: readonly string[],
  behind: readonly string[],
  params: {
    readonly range_estimator?: { readonly preset: "default" };
    readonly weights?: { readonly bits: 4 };
  } = {
    range_estimator: { preset: "default" },
  },
) {
  const named = (names: readonly string[]) =>
    names.map((name) => ({ name }) as { name: "FastBiasCorrection" });
  const quantization = {
    name: "MinMaxQuantization" as const,
    params,
  };
  const algorithms = [...named(before), quantization, ...named(behind)];
  const configuration = { ...demo, compression: { ...demo.compression, algorithms } };
  const made = await quantize({ configuration }, { out: join(folder, out) });
  assert.deepEqual(made.quantizedShare, { byCount: 1, byParameters: 1 });
  return (await evaluate(made.model, { configuration })).metric.value;
}

test("The demo, all layers quantized, is within half a point of float once its layers are equalized", async () => {
  const float = await evaluate(join(DEMO, "model.onnx"), { configuration: demo });
  const plain = await accuracyWith("plain", [], []);
  const corrected = await accuracyWith("corrected", ["ActivationChannelAlignment"], ["FastBiasCorrection"]);
  const equalized = await accuracyWith("equalized", ["CrossLayerEqualization"], ["FastBiasCorrection"]);
  assert.ok(plain < float.metric.value - 0.05, `plain ${plain} shows nothing`);
  assert.ok(corrected > plain, `corrected ${corrected}, plain ${plain}`);
  assert.ok(equalized >= float.metric.value - 0.005, `equalized ${equalized}, float ${float.metric.value}`);
});

test("With 4-bit weights the demo loses less when rounding adapts and layers are equalized, and alike every time", async () => {
  const accuracy = (out: string, before: readonly string[], behind: readonly string[]) =>
    accuracyWith(out, before, behind, {
      range_estimator: { preset: "default" },
      weights: { bits: 4 },
    });
  const equalized = await accuracy("low", ["CrossLayerEqualization"], []);
  const rounded = await accuracy("low-rounded", ["CrossLayerEqualization"], ["AdaptiveRounding"]);
  assert.ok(rounded > equalized, `rounded ${rounded}, to the nearest ${equalized}`);
  const bytes = await readFile(join(folder, "low-rounded", "model.onnx"));
  await accuracy("low-again", ["CrossLayerEqualization"], ["AdaptiveRounding"]);
  assert.deepEqual(await readFile(join(folder, "low-again", "model.onnx")), bytes);
});

test("By default ranges follow the error of the outputs, which brings most of the uneven demo back by itself", async () => {
  const float = await evaluate(join(DEMO, "model.onnx"), { configuration: demo });
  const byDefault = await accuracyWith("default", [], [], {});
  assert.ok(byDefault >= float.metric.value - 0.025, `${byDefault} of ${float.metric.value}`);
});
