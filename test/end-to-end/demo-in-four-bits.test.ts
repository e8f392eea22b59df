import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { evaluate } from "../../scripts/api/evaluate.js";
import { quantize } from "../../scripts/api/quantize.js";
import { tune } from "../../scripts/api/tune.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { decodeModel, opsetVersion } from "../../shared/onnx/model/codec.js";
import { demoConfiguration } from "./steps/demo-configuration.js";
import { scoredBase } from "./steps/scored-base.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-four-bits-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

const demo = await demoConfiguration({ trials: 24, calibration: 50, evaluation: 500 });

type Algorithms = NonNullable<NonNullable<RunConfigurationInput["compression"]>["algorithms"]>;

function withAlgorithms(...algorithms: Algorithms): RunConfigurationInput {
  const equalized: Algorithms = [{ name: "CrossLayerEqualization", params: {} }, ...algorithms];
  return { ...demo, compression: { target_device: "CPU", algorithms: equalized } };
}

test("quantize with 4-bit weights stores INT4 tensors, and reports every product as simulated", async () => {
  const made = async (bits: 4 | 8) => {
    const configuration = withAlgorithms({
      name: "MinMaxQuantization",
      params: { weights: { bits }, stat_subset_size: 50 },
    });
    const { model, modelBytes, integerKernels, simulatedShare } = await quantize(
      { configuration },
      { out: join(folder, `${bits}`) },
    );
    const { metric } = await evaluate(model, { configuration });
    return {
      accuracy: metric.value,
      modelBytes,
      integerKernels,
      simulatedShare,
      bytes: await readFile(model),
    };
  };
  const [four, eight] = [await made(4), await made(8)];
  assert.ok(four.modelBytes < eight.modelBytes);
  assert.equal(opsetVersion(decodeModel(four.bytes, "four")), 21);
  assert.equal(opsetVersion(decodeModel(eight.bytes, "eight")), 17);
  assert.ok(four.accuracy > 0.85 && four.accuracy <= eight.accuracy, `${four.accuracy}, ${eight.accuracy}`);
  assert.equal(eight.integerKernels.integer, eight.integerKernels.quantized);
  assert.equal(four.integerKernels.integer, 0);
  assert.deepEqual(four.simulatedShare, { byCount: 1, byParameters: 1 });
  assert.deepEqual(eight.simulatedShare, { byCount: 0, byParameters: 0 });
  for (const { reason } of four.integerKernels.unfused) assert.match(reason, /with 4-bit weights$/);
});

test("tune with scope bits finds a model within the bound that is smaller than with 8 bits only", async () => {
  const configuration = withAlgorithms({
    name: "TunableQuantization",
    params: { tuning_scope: ["bits"], stat_subset_size: 50 },
  });
  const run = await tune({ configuration }, { out: join(folder, "tuned"), workers: 1 });
  const result = await run.result;
  const [base, { best }] = [scoredBase(result), result];
  assert.ok(best !== null);
  assert.ok(best.withinBound);
  assert.equal(base.simulatedShare.byCount, 0);
  assert.ok(best.simulatedShare.byCount > 0 && best.simulatedShare.byCount <= best.quantizedShare.byCount);
  const trials = (await readFile(join(folder, "tuned", "trials.jsonl"), "utf8")).trim().split("\n");
  const line = trials.map((text) => JSON.parse(text)).find(({ number }) => number === best.trial);
  assert.deepEqual(line.simulatedShare, best.simulatedShare);
  assert.ok(best.bytes < base.bytes, `${best.bytes} of ${base.bytes}`);
});
