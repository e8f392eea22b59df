import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RunResult } from "../../shared/run/result/result.js";
import { runCommand } from "./steps/command.js";
import { demoConfiguration } from "./steps/demo-configuration.js";
import { scoredBase } from "./steps/scored-base.js";

const SIZE = { trials: 12, calibration: 10, evaluation: 128 };

const folder = await mkdtemp(join(tmpdir(), "quantfleet-objectives-"));
after(() => rm(folder, { recursive: true, force: true }));

interface Line {
  readonly number: number;
  readonly state: string;
  readonly loss: number;
  readonly values: readonly number[];
  readonly bytes: number;
  readonly latencyRatio: number | null;
}

async function tune(name: string, params: Readonly<Record<string, unknown>>) {
  await writeFile(join(folder, `${name}.json`), JSON.stringify(await demoConfiguration(SIZE, params)));
  const { code, stdout, stderr } = await runCommand(
    ["tune", `${name}.json`, "--out", name, "--workers", "1"],
    folder,
  );
  assert.ok(code === 0 || code === 3, stderr);
  const lines = (await readFile(join(folder, name, "trials.jsonl"), "utf8")).trim().split("\n");
  return {
    code,
    stdout,
    result: JSON.parse(await readFile(join(folder, name, "result.json"), "utf8")) as RunResult,
    complete: lines
      .map((line) => JSON.parse(line) as Line)
      .filter(({ number, state }) => number > 0 && state === "complete"),
  };
}

describe("objective loss on the demo", async () => {
  const params = { objective: "loss", minimize: "latency", accuracy_loss: 0.5, latency_reduce: 0.01 };
  const plain = await tune("loss", params);
  const ratio = await tune("ratio", {
    ...params,
    latency_weight: 0,
    quantization_ratio_weight: 1,
    expected_quantization_ratio: 0.25,
  });

  test("scores the fully quantized preset configuration, which misses the bound, with 10 for accuracy, 0 for latency, and 80", () => {
    assert.ok(scoredBase(plain.result).accuracyLoss > 0.5);
    assert.ok(Math.abs(scoredBase(plain.result).loss - 90) < 1e-9, String(scoredBase(plain.result).loss));
  });

  test("rewards a larger share of quantized ops by its weight", () => {
    // Every op is quantized: 5 tanh(3 / 0.25 * 0.75), which is 5 to seven digits.
    assert.ok(Math.abs(scoredBase(ratio.result).loss - 85) < 1e-6, String(scoredBase(ratio.result).loss));
  });

  test("writes the trial with the least loss, and exits with 0 only within the bound", () => {
    const least = Math.min(...ratio.complete.map(({ loss }) => loss));
    assert.ok(ratio.result.best!.loss <= least + 1e-9);
    for (const { code, result } of [plain, ratio]) assert.equal(code, result.best!.withinBound ? 0 : 3);
  });
});

describe("objective pareto on the demo", async () => {
  const { code, stdout, result, complete } = await tune("pareto", {
    objective: "pareto",
    minimize: "size",
    accuracy_loss: 0.5,
    latency_reduce: 1000,
  });

  test("judges trials by accuracy and size, and its front is dominated by no trial", () => {
    for (const { values } of complete) assert.equal(values.length, 2);
    const front = new Set(result.pareto.map(({ trial }) => trial));
    // The search takes files that hardly differ as equal; the front takes every byte.
    const beaten = complete.filter(({ values: [loss], bytes }) =>
      complete.some(
        ({ values: [otherLoss], bytes: otherBytes }) =>
          otherLoss! <= loss! && otherBytes <= bytes && (otherLoss! < loss! || otherBytes < bytes),
      ),
    );
    assert.ok(beaten.length > 0);
    assert.deepEqual(
      [...front].sort(),
      complete
        .filter((trial) => !beaten.includes(trial))
        .map(({ number }) => number)
        .sort(),
    );
  });

  test("prints each point of the front once, smallest first", () => {
    const smallestFirst = result.pareto.toSorted((a, b) => a.bytes - b.bytes || a.trial - b.trial);
    const distinct = smallestFirst.filter(({ bytes }, i) => bytes !== smallestFirst[i - 1]?.bytes);
    assert.ok(distinct.length > 0);
    const [, table = ""] = stdout.split("│ front ");
    const printed = [...table.split("┘")[0]!.matchAll(/│ trial (\d+)/g)].map(([, number]) => Number(number));
    assert.deepEqual(
      printed,
      distinct.map(({ trial }) => trial),
    );
  });

  test("with size measures no trial's latency, so latency_reduce has no effect", () => {
    for (const { latencyRatio } of complete) assert.equal(latencyRatio, null);
    assert.equal(result.best!.meetsTarget, result.best!.withinBound);
    assert.equal(stdout.includes("The float model is the result"), result.keepFloat !== null);
    assert.equal(code, result.trials.withinBound > 0 ? 0 : 3);
  });

  test("with latency measures that of every complete trial", async () => {
    const { complete: timed, result: fast } = await tune("pareto-latency", {
      objective: "pareto",
      minimize: "latency",
      max_trials: 3,
    });
    for (const { latencyRatio, values } of timed) {
      assert.ok(latencyRatio! > 0);
      assert.equal(values[1], 1 / latencyRatio!);
    }
    for (const { latencyRatio } of fast.pareto) assert.notEqual(latencyRatio, null);
  });
});

describe("a run on the demo stops", () => {
  test("with the first trial that meets both targets, where stop_on_target is set", async () => {
    const { result } = await tune("target", {
      stop_on_target: true,
      accuracy_loss: 50,
      latency_reduce: 0.01,
    });
    assert.equal(result.stop, "stop_on_target");
    assert.equal(result.trials.asked, 1);
    assert.ok(result.best!.meetsTarget);
  });

  test("after max_trials, including the preset configuration", async () => {
    const { result } = await tune("trials", { max_trials: 4 });
    assert.equal(result.stop, "max_trials");
    assert.equal(result.trials.asked, 4);
  });
});
