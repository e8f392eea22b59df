import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CommandThread, runCommand } from "../steps/command.js";
import { BAD_ARGUMENTS } from "./bad-arguments.js";
import { BAD_CONFIGURATIONS } from "./bad-configurations.js";
import type { BadInput } from "./bad-input.js";
import { FILES } from "./bad-input-files.js";
import { BAD_MODELS } from "./bad-models.js";
import { BAD_SAMPLES } from "./bad-samples.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-bad-"));
const thread = new CommandThread(folder);
after(async () => {
  await thread.close();
  await rm(folder, { recursive: true, force: true });
});
for (const [name, content] of Object.entries(FILES)) await writeFile(join(folder, name), content);

const BAD_INPUTS = [...BAD_ARGUMENTS, ...BAD_CONFIGURATIONS, ...BAD_MODELS, ...BAD_SAMPLES];

/** A configuration that is valid except for `value` at `at`. */
function configuration(at?: string, value?: unknown): string {
  const valid: Record<string | number, unknown> = {
    model: { model: "model.onnx" },
    engine: {
      calibration: { inputs: { x: "x.npy" } },
      evaluation: { inputs: { x: "x.npy" }, labels: "y.npy" },
      metric: { name: "accuracy" },
    },
    optimizer: { name: "Tpe", params: { max_trials: 1, benchmark: { duration_seconds: 0.05 } } },
    compression: {
      algorithms: [
        {
          name: "TunableQuantization",
          params: {
            tuning_scope: ["layer", "range_estimator"],
            estimator_tuning_scope: ["preset", "outlier_prob"],
            outlier_prob_choices: [1e-3, 1e-4],
          },
        },
      ],
    },
  };
  const steps = (at ?? "").split(/[.[\]]+/).filter((step) => step !== "");
  const last = steps.pop();
  if (last === undefined) return JSON.stringify(valid);
  const parent = steps.reduce((found, step) => found[step] as Record<string, unknown>, valid);
  parent[last] = value;
  return JSON.stringify(valid);
}

/** The command line with absolute paths, because a thread has no working directory of its own. */
function argumentsOf({ argv, command = "tune", options = [] }: BadInput): string[] {
  const line = argv ?? [command, "broken.json", "--out", "out", ...options];
  return line.map((word, i) =>
    i > 0 && (/\.\w+(\/\w+)?$/.test(word) || word === "out" || word === ".") ? join(folder, word) : word,
  );
}

function nameOf({ command, argv, title }: BadInput): string {
  return `${command ?? argv?.[0] ?? "tune"}: ${title}`;
}

test("The valid configuration is accepted", async () => {
  await writeFile(join(folder, "broken.json"), configuration());
  const { code, stderr } = await thread.run(argumentsOf({ title: "", command: "quantize", says: "" }));
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  await rm(join(folder, "out"), { recursive: true });
});

describe("Refused with exit code 2, one sentence and nothing written", () => {
  for (const input of BAD_INPUTS) {
    test(nameOf(input), async () => {
      await writeFile(join(folder, "broken.json"), configuration(input.at, input.value));
      const before = await readdir(folder);
      const { code, stdout, stderr } = await thread.run(argumentsOf(input));
      assert.equal(
        stderr.replaceAll(`${folder}/`, "").replaceAll(folder, "."),
        `quantfleet: ${input.says}\n`,
      );
      assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
      assert.deepEqual(await readdir(folder), before);
    });
  }
});

test("Refused when the statistics cache cannot be written", async () => {
  const elsewhere = join(folder, "elsewhere");
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, "statistics"), "a file");
  await writeFile(join(folder, "broken.json"), configuration());
  for (const command of ["tune", "quantize"] as const) {
    const { code, stderr } = await runCommand(argumentsOf({ title: "", command, says: "" }), elsewhere);
    const says = `${elsewhere}/statistics is a file, but a folder is needed; set QUANTFLEET_CACHE to a folder that can be written to.`;
    assert.deepEqual({ code, stderr }, { code: 2, stderr: `quantfleet: ${says}\n` });
  }
  assert.deepEqual(await readdir(elsewhere), ["statistics"]);
  await rm(elsewhere, { recursive: true });
});

describe("Refused in the same way in a process of its own", () => {
  const few = BAD_INPUTS.filter((_, i) => i % 18 === 0);
  for (const input of few) {
    test(nameOf(input), async () => {
      await writeFile(join(folder, "broken.json"), configuration(input.at, input.value));
      const before = await readdir(folder);
      const outcome = await runCommand(argumentsOf(input), folder);
      assert.equal(
        outcome.stderr.replaceAll(`${folder}/`, "").replaceAll(folder, "."),
        `quantfleet: ${input.says}\n`,
      );
      assert.deepEqual({ code: outcome.code, stdout: outcome.stdout }, { code: 2, stdout: "" });
      assert.deepEqual(await readdir(folder), before);
    });
  }
});
