import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RunResult } from "../../shared/run/result/result.js";
import { runCommand } from "./steps/command.js";
import { DEMO, demoConfiguration } from "./steps/demo-configuration.js";

const SIZE = { trials: 6, calibration: 20, evaluation: 256 };

const folder = await mkdtemp(join(tmpdir(), "quantfleet-cli-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeFile(
  join(folder, "config.json"),
  JSON.stringify(await demoConfiguration(SIZE, { accuracy_loss: 5 })),
);

const run = (...argv: string[]) => runCommand(argv, folder);
const read = (file: string) => readFile(join(folder, file), "utf8");

describe("quantfleet tune --json", async () => {
  const { code, stdout, stderr } = await run(
    "tune",
    "config.json",
    "--out",
    "out",
    "--workers",
    "1",
    "--json",
  );
  const result = JSON.parse(stdout) as RunResult;

  test("prints the content of result.json on stdout, and progress on stderr", async () => {
    assert.equal(code, 0, stderr);
    assert.equal(stdout, await read("out/result.json"));
    assert.match(stderr, /^Run \S+, \d+ parameters; records in /);
    assert.match(stderr, /^0\/\d+ gathering statistics$/m);
    assert.match(stderr, /^(\d+)\/\1 done$/m);
  });

  test("leaves the files of the output folder, and no temporary files", async () => {
    assert.deepEqual((await readdir(join(folder, "out"))).sort(), [
      "configuration.json",
      "model.onnx",
      "result.json",
      "run",
      "trials.jsonl",
    ]);
  });

  test("writes the documented keys to result.json", () => {
    const { best, base, float, pareto, trials, timing } = result;
    assert.equal(result.schemaVersion, 1);
    assert.equal(result.seed, 1);
    assert.match(result.isa, /^(x64|x64-vnni|arm64)$/);
    assert.match(result.model.sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(result.session, { graphOptimizationLevel: "all", intraOpNumThreads: 1 });
    assert.equal(trials.asked, SIZE.trials, "the float model is no trial of its own");
    assert.equal(trials.complete + trials.pruned + trials.failed, trials.asked);
    assert.ok(best !== null && base !== null && !("reason" in base));
    assert.equal(base.trial, 1);
    assert.equal(best.meetsTarget, true);
    for (const { metric } of [float, base, best]) {
      assert.equal(metric.name, "accuracy");
      assert.equal(metric.samples, SIZE.evaluation);
      const [low, high] = metric.interval;
      assert.ok(low <= metric.value && metric.value <= high);
    }
    const loss = (100 * (float.metric.value - best.metric.value)) / float.metric.value;
    assert.ok(Math.abs(best.accuracyLoss - loss) < 1e-9);
    assert.ok(best.latencyRatio! > 0 && best.bytes < float.bytes);
    assert.ok(best.quantizedShare.byCount > 0 && best.quantizedShare.byParameters <= 1);
    assert.equal(best.validation?.samples, SIZE.evaluation);
    assert.ok(pareto.length > 0);
    for (const key of ["wallSeconds", "statisticsSeconds", "askSeconds", "quantizeSeconds"] as const) {
      assert.ok(timing[key] >= 0, key);
    }
    assert.equal(timing.workers, 1);
  });

  test("writes one line per trial to trials.jsonl", async () => {
    const lines = (await read("out/trials.jsonl")).trim().split("\n");
    const trials = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      trials.map(({ number }) => number),
      Array.from({ length: SIZE.trials + 1 }, (_, i) => i),
    );
    for (const trial of trials) {
      assert.match(String(trial.state), /^(complete|pruned|failed)$/);
      for (const key of ["choices", "metric", "samples", "bytes", "timings", "worker", "seen"]) {
        assert.ok(key in trial, `${key} of trial ${trial.number}`);
      }
    }
    const best = trials.find(({ number }) => number === result.best?.trial);
    const { choices } = JSON.parse(await read("out/configuration.json")) as { choices: unknown };
    assert.deepEqual(choices, best?.choices);
  });

  test("reports the sizes of the files", async () => {
    const { size } = await stat(join(folder, "out", "model.onnx"));
    const lines = (await read("out/trials.jsonl")).trim().split("\n");
    const best = lines.map((line) => JSON.parse(line)).find(({ number }) => number === result.best?.trial);
    assert.equal(result.best?.bytes, size);
    // Without the run's name, its seed and the configuration's hash, which are added at the end.
    assert.ok(best.bytes < size && size - best.bytes < 300);
    assert.equal(result.float.bytes, (await stat(join(DEMO, "model.onnx"))).size);
    for (const { trial, bytes } of result.pareto) {
      if (trial === result.best?.trial) assert.equal(bytes, size);
    }
  });

  test("writes a model that evaluate scores identically", async () => {
    const evaluated = await run("evaluate", "out/model.onnx", "config.json", "--json");
    assert.equal(evaluated.code, 0, evaluated.stderr);
    const { metric } = JSON.parse(evaluated.stdout) as { metric: unknown };
    assert.deepEqual(metric, result.best?.metric);
    assert.equal(evaluated.stderr, "");
    const plain = await run("evaluate", "out/model.onnx", "config.json");
    assert.ok(plain.stdout.startsWith(`accuracy ${result.best?.metric.value} on ${SIZE.evaluation} samples`));
  });

  test("reports the float model's score", async () => {
    const { stdout: evaluated } = await run("evaluate", join(DEMO, "model.onnx"), "config.json", "--json");
    assert.deepEqual((JSON.parse(evaluated) as { metric: unknown }).metric, result.float.metric);
  });

  test("writes choices from which quantize --configuration makes a model with the same scores", async () => {
    const quantized = await run(
      ...["quantize", "config.json", "--out", "again", "--configuration", "out/configuration.json", "--json"],
    );
    assert.equal(quantized.code, 0, quantized.stderr);
    const { quantizedShare } = JSON.parse(quantized.stdout) as { quantizedShare: unknown };
    assert.deepEqual(quantizedShare, result.best?.quantizedShare);
    const { stdout: evaluated } = await run("evaluate", "again/model.onnx", "config.json", "--json");
    assert.deepEqual((JSON.parse(evaluated) as { metric: unknown }).metric, result.best?.metric);
  });

  test("writes the same result when the ended run is resumed", async () => {
    const resumed = await run("tune", "config.json", "--out", "out", "--workers", "1", "--resume", "--json");
    assert.equal(resumed.code, 0, resumed.stderr);
    const { best, runId } = JSON.parse(resumed.stdout) as RunResult;
    assert.deepEqual({ best, runId }, { best: result.best, runId: result.runId });
  });

  test("refuses to resume with another configuration", async () => {
    const other = await run("tune", "config.json", "--out", "out", "--seed", "2", "--resume");
    assert.equal(other.code, 2);
    assert.match(other.stderr, /^quantfleet: .* holds a run of another configuration; .*\.\n$/);
  });
});

describe("Exit codes and streams", () => {
  test("3 when no trial meets the bound, and the best is written nevertheless", async () => {
    const configuration = await demoConfiguration({ ...SIZE, trials: 3 }, { accuracy_loss: 0, race: "off" });
    // One scale per tensor and estimator presets only, which is not enough for this network.
    const params = { preset: "performance", tuning_scope: ["mode"], stat_subset_size: 10 };
    const compression = { algorithms: [{ name: "TunableQuantization", params }] };
    await writeFile(join(folder, "impossible.json"), JSON.stringify({ ...configuration, compression }));
    const { code, stdout } = await run("tune", "impossible.json", "--out", "missed", "--workers", "1");
    assert.equal(code, 3);
    assert.match(stdout, /no trial met the targets/);
    const result = JSON.parse(await read("missed/result.json")) as RunResult;
    assert.equal(result.best?.meetsTarget, false);
    assert.ok((await readdir(join(folder, "missed"))).includes("model.onnx"));
  });

  test("inspect prints groups on stdout and nothing else", async () => {
    const { code, stdout, stderr } = await run("inspect", join(DEMO, "model.onnx"), "--json");
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const { groups } = JSON.parse(stdout) as { groups: { ops: { type: string }[] }[] };
    const types = groups.flatMap(({ ops }) => ops.map(({ type }) => type));
    assert.ok(types.includes("Conv"));
  });

  for (const command of ["demo", "tune", "quantize", "evaluate", "inspect"]) {
    test(`${command} --help shows an example on stdout`, async () => {
      const { code, stdout, stderr } = await run(command, "--help");
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      assert.match(stdout, new RegExp(`Example:\n {2}quantfleet ${command}`));
    });
  }

  test("a stack trace only with --verbose", async () => {
    const plain = await run("quantize", "missing.json");
    const verbose = await run("--verbose", "quantize", "missing.json");
    assert.equal(plain.stderr.trim().split("\n").length, 1);
    assert.match(verbose.stderr, /\n\s+at /);
    assert.deepEqual([plain.code, verbose.code], [2, 2]);
  });
});
