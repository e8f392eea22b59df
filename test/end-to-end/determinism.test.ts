import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { runCommand } from "./steps/command.js";
import { demoConfiguration } from "./steps/demo-configuration.js";
import { decidedTrials } from "./steps/run-folder.js";

const SIZE = { trials: 15, calibration: 10, evaluation: 128 };

const folder = await mkdtemp(join(tmpdir(), "quantfleet-same-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeFile(join(folder, "config.json"), JSON.stringify(await demoConfiguration(SIZE)));

async function tune(out: string, ...options: string[]) {
  const { stderr } = await runCommand(
    ["tune", "config.json", "--out", out, "--workers", "1", ...options],
    folder,
  );
  const at = (file: string) => readFile(join(folder, out, file));
  return {
    stderr,
    trials: await decidedTrials(join(folder, out)),
    model: await at("model.onnx"),
    configuration: await at("configuration.json"),
  };
}

describe("Two runs of one seed on one worker", async () => {
  const first = await tune("first");
  const second = await tune("second");

  test("have the same trials: choices, metric, samples, loss, and the results known at each ask", () => {
    assert.equal(first.trials.length, SIZE.trials + 1, first.stderr);
    assert.deepEqual(second.trials, first.trials);
  });

  test("write the same model and the same configuration, byte for byte", () => {
    assert.ok(second.model.equals(first.model));
    assert.ok(second.configuration.equals(first.configuration));
  });
});

test("another seed has other trials, except for the float model and the preset configuration", async () => {
  const first = await decidedTrials(join(folder, "first"));
  const other = await tune("other", "--seed", "7");
  assert.deepEqual(other.trials.slice(0, 2), first.slice(0, 2));
  assert.notDeepEqual(other.trials, first);
});
