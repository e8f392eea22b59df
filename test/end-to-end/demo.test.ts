import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RunResult } from "../../shared/run/result/result.js";
import { runCommand } from "./steps/command.js";
import { finishedTrials } from "./steps/run-folder.js";

/**
 * Accuracy of plain 8 bit, about .78. On 1000 samples the standard error is .013, and kernels differ between
 * processors.
 */
const PLAIN = { lowest: 0.72, highest: 0.84 };
const HALF_A_POINT = 0.005;

const folder = await mkdtemp(join(tmpdir(), "quantfleet-demo-"));
after(() => rm(folder, { recursive: true, force: true }));

describe("quantfleet demo --workers 2", async () => {
  const { code, stdout, stderr } = await runCommand(["demo", "--workers", "2"], folder);
  const out = join(folder, "quantfleet-demo");

  test("succeeds", () => assert.equal(code, 0, stderr));

  test("explains the uneven network, and reports about .78 for plain 8 bit", () => {
    assert.match(stderr, /made uneven on purpose/);
    const plain = Number(/^Plain 8 bit .*: accuracy ([\d.]+),/m.exec(stdout)?.[1]);
    assert.ok(plain > PLAIN.lowest && plain < PLAIN.highest, stdout);
  });

  test("recovers accuracy to within half a point of float on evaluation samples, and close to it on validation samples", async () => {
    const result = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    const { float, best } = result;
    assert.ok(best !== null && best.metric.value >= float.metric.value - HALF_A_POINT);
    // Validation samples are not tuned for. Two workers end in any order, so occasionally a search has every
    // layer on 8 bit at the bound: chosen as the best of 100, it may lose that much again here, two standard
    // errors of a point in all.
    assert.ok(best.validation!.value >= float.validation!.value - 4 * HALF_A_POINT);
    assert.equal(result.timing.workers, 2);
    assert.ok(best.integerKernels!.integer === best.integerKernels!.quantized);
  });

  test("has one trial more in progress than its two workers, and replays", async () => {
    const trials = await finishedTrials(out);
    assert.equal(Math.max(...trials.map(({ number, seen }) => number - seen)), 2);
    const replay = await runCommand(["replay", out], folder);
    assert.equal(replay.code, 0, replay.stderr);
  });

  test("explains the effects on accuracy, every op in float, and the optimism of the selection", async () => {
    const result = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    const { explanation, selection, best } = result;
    assert.ok(explanation.importance.accuracyLoss[0]!.share > 0.1);
    const weighted = explanation.float.filter(({ type }) => type === "Conv" || type === "Gemm");
    // Nine convolutions and one product.
    assert.equal(weighted.length, Math.round(10 * (1 - best!.quantizedShare.byCount)));
    for (const op of weighted) {
      if (op.cause !== "chosen") continue;
      const { quantized, float } = op.evidence;
      assert.equal(quantized.trials + float.trials, result.trials.asked);
      assert.match(stdout, new RegExp(`In float: ${op.type} ${op.name}`));
    }
    assert.equal(selection!.finalists[0]!.trial, best!.trial);
    assert.match(stdout, /Selection: trial \d+ loses -?[\d.]+ % on the evaluation samples and/);
  });

  test("writes the files that it lists", async () => {
    const files = await readdir(out);
    for (const file of ["model.onnx", "configuration.json", "result.json", "trials.jsonl", "run", "plain"]) {
      assert.ok(files.includes(file), file);
    }
    const draft = files.find((file) => file.endsWith(".draft"));
    assert.equal(draft, undefined);
  });
});

test("quantfleet demo --workers 1, which is reproducible, ends within a point of float on the validation samples with most layers quantized", async () => {
  const { code, stderr } = await runCommand(["demo", "--workers", "1", "--out", "one-worker"], folder);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(await readFile(join(folder, "one-worker", "result.json"), "utf8")) as RunResult;
  const { float, best } = result;
  assert.ok(best !== null && best.metric.value >= float.metric.value - HALF_A_POINT);
  assert.ok(best.validation!.value >= float.validation!.value - 2 * HALF_A_POINT);
  // The nodes around the codes of a small layer take less of the file than its codes save.
  assert.ok(best.quantizedShare.byCount >= 0.7, String(best.quantizedShare.byCount));
});
