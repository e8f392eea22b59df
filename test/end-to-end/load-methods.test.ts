import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RunResult } from "../../shared/run/result/result.js";
import type { Choice } from "../../shared/search/space/space.js";
import { runCommand } from "./steps/command.js";
import { demoConfiguration } from "./steps/demo-configuration.js";
import { scoredBase } from "./steps/scored-base.js";

/** Relative difference up to which sizes count as equal. */
const SIZE_STEP = 1e-3;

const SIZE = { trials: 16, calibration: 10, evaluation: 128 };

const folder = await mkdtemp(join(tmpdir(), "quantfleet-load-"));
after(() => rm(folder, { recursive: true, force: true }));

interface Line {
  readonly number: number;
  readonly state: string;
  readonly choices: Readonly<Record<string, Choice>> | null;
  readonly metric: number;
  readonly bytes: number;
  readonly origin?: { readonly run: string; readonly trial: number };
}

let configurations = 0;

/** Tunes the demo into `out` with these parameters, and with these tuning scopes instead of the demo's. */
async function tune(
  out: string,
  params: Readonly<Record<string, unknown>>,
  tunable: Readonly<Record<string, unknown>> = {},
  options: readonly string[] = ["--workers", "1"],
) {
  const configuration = await demoConfiguration(SIZE, params);
  const [algorithm] = configuration.compression?.algorithms ?? [];
  Object.assign(algorithm?.params ?? {}, tunable);
  const config = `config-${configurations++}.json`;
  await writeFile(join(folder, config), JSON.stringify(configuration));
  const { code, stderr } = await runCommand(["tune", config, "--out", out, ...options], folder);
  assert.ok(code === 0 || code === 3, stderr);
  const read = (file: string) => readFile(join(folder, out, file));
  const lines = (await read("trials.jsonl")).toString().trim().split("\n");
  return {
    stderr,
    result: JSON.parse((await read("result.json")).toString()) as RunResult,
    trials: lines.map((line) => JSON.parse(line) as Line).sort((a, b) => a.number - b.number),
    weights: await initializers(join(folder, out)),
  };
}

async function initializers(out: string): Promise<string> {
  const { choices } = JSON.parse(await readFile(join(out, "configuration.json"), "utf8")) as {
    choices: Readonly<Record<string, Choice>>;
  };
  return JSON.stringify(Object.entries(choices).sort());
}

const replay = (out: string) => runCommand(["replay", out, "--json"], folder);
const floatGroups = (choices: Line["choices"] = {}): string[] =>
  Object.keys(choices ?? {}).filter((name) => name.endsWith("/quantize") && choices![name] === false);

describe("Without an earlier run", () => {
  test("warm_start and fine_tune report it and run as cold_start", async () => {
    const cold = await tune("cold", { max_trials: 3 });
    for (const method of ["warm_start", "fine_tune"]) {
      const { stderr, trials } = await tune(method, { max_trials: 3, trials_load_method: method });
      assert.match(stderr, new RegExp(`trials_load_method is "${method}", but .* running as cold_start\\.`));
      const plain = ({ choices, metric }: Line) => ({ choices, metric });
      assert.deepEqual(trials.map(plain), cold.trials.map(plain));
    }
  });

  test("eval is an error", async () => {
    await writeFile(
      join(folder, "eval.json"),
      JSON.stringify(await demoConfiguration(SIZE, { trials_load_method: "eval" })),
    );
    const { code, stderr } = await runCommand(["tune", "eval.json", "--out", "none"], folder);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /trials_load_method is "eval", but .*none holds no earlier run .*; run cold_start first/,
    );
  });
});

describe("After a cold start within a strict bound", async () => {
  const out = "strict";
  const cold = await tune(out, { accuracy_loss: 0 });
  const fine = await tune(out, { accuracy_loss: 20, trials_load_method: "fine_tune" });
  const fineReplay = await replay(out);
  const rebuilt = await tune(out, { accuracy_loss: 20, trials_load_method: "eval" });
  const warm = await tune(out, { accuracy_loss: 20, trials_load_method: "warm_start", max_trials: 20 });

  test("fine_tune starts from the best configuration", () => {
    assert.match(fine.stderr, new RegExp(`Begins around trial \\d+ of run ${cold.result.runId}\\.`));
    assert.equal(fine.trials.length, SIZE.trials + 1);
    assert.ok(fine.trials.some(({ number, origin }) => number === 1 && origin === undefined));
    // The best is selected by the new bound.
    const within = cold.trials.filter(
      ({ number, state, metric }) =>
        number > 0 && state === "complete" && metric >= 0.8 * cold.result.float.metric.value,
    );
    const smallest = Math.min(...within.map(({ bytes }) => bytes));
    assert.ok(fine.trials[1]!.bytes <= smallest + SIZE_STEP * fine.result.float.bytes);
  });

  test("fine_tune never ends with a worse result", () => {
    assert.ok(fine.result.best!.withinBound || !scoredBase(fine.result).withinBound);
    const { float } = fine.result;
    assert.ok(fine.result.best!.bytes <= scoredBase(fine.result).bytes + SIZE_STEP * float.bytes);
  });

  test("its asks replay", () => {
    assert.deepEqual(JSON.parse(fineReplay.stdout).divergences, [], fineReplay.stdout);
  });

  test("eval rebuilds the best without a trial", () => {
    assert.match(rebuilt.stderr, /Rebuilds trial \d+ of run .*, without a trial\./);
    assert.equal(rebuilt.result.best!.trial, fine.result.best!.trial);
    assert.deepEqual(rebuilt.result.best!.metric, fine.result.best!.metric);
    assert.equal(rebuilt.weights, fine.weights);
  });

  test("warm_start continues after the fine-tuned trials", () => {
    assert.match(warm.stderr, /Begins with 17 trials of run /);
    assert.deepEqual(
      warm.trials.slice(0, 17).map(({ choices, metric }) => ({ choices, metric })),
      fine.trials.map(({ choices, metric }) => ({ choices, metric })),
    );
    assert.equal(warm.trials.length, 21);
    assert.equal(new Set(warm.trials.map(({ choices }) => JSON.stringify(choices))).size, 21);
  });
});

describe("fine_tune", async () => {
  const out = "back";
  const layers = { tuning_scope: ["layer"], estimator_tuning_scope: [] };
  // The run tuned last has only seen the strict best, with its groups in float.
  await tune(out, { max_trials: 12, accuracy_loss: 0 }, layers);
  const only = await tune(
    out,
    { max_trials: 1, accuracy_loss: 0, trials_load_method: "fine_tune" },
    { ...layers, tuning_scope: ["mode"] },
  );
  // Enough trials to change each group alone.
  const fine = await tune(
    out,
    { max_trials: 120, accuracy_loss: 100, trials_load_method: "fine_tune" },
    layers,
  );

  test("quantizes layers that the earlier best had left in float", () => {
    const start = fine.trials[1]!;
    assert.deepEqual(start.choices, only.trials[1]!.choices);
    const best = fine.trials[fine.result.best!.trial]!;
    const broughtBack = floatGroups(start.choices).filter((name) => best.choices![name] === true);
    assert.ok(broughtBack.length > 0);
    assert.ok(best.bytes < start.bytes);
  });
});

describe("warm_start", async () => {
  const out = "scopes";
  const layers = { tuning_scope: ["layer"], estimator_tuning_scope: [] };
  const both = { tuning_scope: ["layer", "mode"], estimator_tuning_scope: [] };
  const cold = await tune(out, { max_trials: 6 }, layers, ["--workers", "2"]);
  const wider = await tune(out, { max_trials: 12, trials_load_method: "warm_start" }, both);
  const widerReplay = await replay(out);
  const narrower = await tune(out, { max_trials: 14, trials_load_method: "warm_start" }, layers);
  const other = await tune(out, {
    max_trials: 3,
    trials_load_method: "warm_start",
    eval_subset_size: 100,
  });

  test("maps trials of another scope and another worker count", () => {
    assert.match(wider.stderr, /Begins with 7 trials of run /);
    const [base] = wider.trials.filter(({ number }) => number === 1);
    assert.ok(Object.keys(base!.choices!).some((name) => name.endsWith("/mode")));
    assert.equal(base!.metric, cold.trials[1]!.metric);
    assert.deepEqual(wider.trials[3]!.origin, { run: cold.result.runId, trial: 3 });
    assert.equal(wider.trials.length, 13);
  });

  test("its asks replay", () => {
    const { asks, divergences } = JSON.parse(widerReplay.stdout);
    assert.deepEqual({ asks, divergences }, { asks: 6, divergences: [] });
  });

  test("sets aside trials that the tuning scope cannot express, and reports their number", () => {
    const moved = wider.trials.filter(({ choices }) =>
      Object.entries(choices ?? {}).some(
        ([name, value]) =>
          name.endsWith("/mode") &&
          wider.trials[1]!.choices![name] !== undefined &&
          value !== wider.trials[1]!.choices![name],
      ),
    );
    assert.ok(moved.length > 0);
    assert.match(
      narrower.stderr,
      new RegExp(
        `Begins with ${13 - moved.length} trials .*; ${moved.length} that the tuning scope cannot express`,
      ),
    );
  });

  test("sets aside trials that were scored on other samples, and reports why", () => {
    assert.match(
      other.stderr,
      /are set aside, because model, data, .* are not the same; running as cold_start\./,
    );
    assert.equal(other.trials.length, 4);
    assert.ok(other.trials.every(({ origin }) => origin === undefined));
  });
});
