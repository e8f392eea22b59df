import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { tune } from "../../scripts/api/tune.js";
import { decodeModel } from "../../shared/onnx/model/codec.js";
import type { TrialLine } from "../../shared/run/result/trial-lines.js";
import { instructionSetOf } from "../../shared/runtime/processor-class.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { demoConfiguration } from "./steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-saturation-"));
after(() => rm(folder, { recursive: true, force: true }));

const machine = await processorClass();
const SIZE = { trials: 2, calibration: 10, evaluation: 50 };

async function tuned(saturation_fix: "auto" | "no") {
  const configuration = await demoConfiguration(SIZE);
  const params = { tuning_scope: ["layer" as const], saturation_fix };
  const out = join(folder, saturation_fix);
  const run = await tune(
    {
      configuration: {
        ...configuration,
        compression: { target_device: "CPU", algorithms: [{ name: "TunableQuantization", params }] },
      },
    },
    { out, workers: 1 },
  );
  const result = await run.result;
  const lines = (await readFile(join(out, "trials.jsonl"), "utf8")).trim().split("\n");
  const model = decodeModel(await readFile(join(out, "model.onnx")), "model.onnx");
  const property = (name: string) => model.metadataProps.find(({ key }) => key === name)?.value;
  return { result, trials: lines.map((line) => JSON.parse(line) as TrialLine), property };
}

describe("A run on this processor", () => {
  test("names its class, and by default no trial can saturate", async () => {
    const { result, trials, property } = await tuned("auto");
    assert.deepEqual(
      [result.processor, result.target, result.isa, result.scoring],
      [machine, machine, instructionSetOf(machine), null],
    );
    assert.ok(trials.every(({ saturation }) => saturation === undefined));
    const { portable, exactOn, exactness } = result.best!;
    assert.equal(portable, machine === "CPU_AVX2");
    assert.ok(exactOn!.includes(machine));
    assert.deepEqual(exactness?.products, []);
    assert.equal(property("quantfleet.portable"), String(portable));
    assert.equal(property("quantfleet.exact_on"), exactOn!.join(","));
  });

  test("reports the saturation of each trial when codes may saturate", async () => {
    const { result, trials } = await tuned("no");
    assert.equal(result.best!.portable, false);
    assert.deepEqual(result.best!.exactOn, ["CPU_VNNI", "CPU_ARM64"]);
    for (const { number, saturation } of trials) {
      assert.equal(saturation !== undefined, machine === "CPU_AVX2" && number > 0, `trial ${number}`);
    }
  });
});
