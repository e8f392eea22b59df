import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RunResult } from "../../shared/run/result/result.js";
import { type CommandOutcome, CommandThread } from "./steps/command.js";
import { DEMO, demoConfiguration } from "./steps/demo-configuration.js";
import { decidedTrials } from "./steps/run-folder.js";

const SIZE = { trials: 8, calibration: 10, evaluation: 64 };

const folder = await mkdtemp(join(tmpdir(), "quantfleet-earlier-"));
const thread = new CommandThread(folder);
after(async () => {
  await thread.close();
  await rm(folder, { recursive: true, force: true });
});
const config = join(folder, "config.json");
const pareto = await demoConfiguration(SIZE, { objective: "pareto", accuracy_loss: 100 });
await writeFile(config, JSON.stringify(pareto));
const out = join(folder, "tuned");

const tune = (...options: string[]) =>
  thread.run(["tune", config, "--out", out, "--workers", "1", ...options]);
const quantize = (...options: string[]) => thread.run(["quantize", ...options]);
const result = async (): Promise<RunResult> => JSON.parse(await readFile(join(out, "result.json"), "utf8"));

/** The content of every file in a folder. */
async function contents(path: string): Promise<Record<string, string>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, (await readFile(file)).toString("base64")])),
  );
}

const first = await tune();
const before = await contents(out);
const held = `quantfleet: ${out} already holds model.onnx, configuration.json, result.json; `;
const refused = {
  tune: await tune(),
  quantize: await quantize(config, "--out", out),
  both: await tune("--resume", "--force"),
  seed: await tune("--resume", "--seed", "2"),
};
const afterwards = await contents(out);

const shorter = await decidedTrials(out);
const extended = await tune("--resume", "--max-trials", "14");
const longer = await decidedTrials(out);
const { pareto: front, trials: counts, runId } = await result();
const replayed = await thread.run(["replay", out]);
const again = await tune("--resume", "--max-trials", "14");
const unchanged = await decidedTrials(out);

const points: { metric: unknown; written: CommandOutcome; score: CommandOutcome }[] = [];
for (const { trial, metric } of front) {
  if (trial === 0) continue;
  const written = await quantize(out, "--trial", `${trial}`);
  const model = join(out, `trial-${trial}`, "model.onnx");
  points.push({ metric, written, score: await thread.run(["evaluate", model, config, "--json"]) });
}
const [plain, named] = [join(folder, "plain"), join(folder, "named")];
const alone = await quantize(out, "--trial", "3", "--out", plain);
const withConfiguration = await quantize(config, "--trial", "3", "--run", out, "--out", named);
const readModel = (path: string) => readFile(join(path, "model.onnx"));

const refusals: { title: string; says: RegExp; outcome: CommandOutcome }[] = [];
for (const [title, line, says] of [
  [
    "a trial beyond the last",
    [out, "--trial", "99"],
    /has ended no such trial; give a number from 1 to 14, /,
  ],
  ["the float model", [out, "--trial", "0"], /^quantfleet: --trial is 0, which is the float model in run /],
  ["no number", [out, "--trial", "x"], /^quantfleet: --trial is "x", but must be a whole number /],
  ["a folder without a run", [folder, "--trial", "1"], /holds no records of a run; give the output folder /],
  [
    "a run without a trial",
    [config, "--run", out],
    /^quantfleet: --run is .*; give its number by --trial\.\n$/,
  ],
  ["two runs", [out, "--trial", "1", "--run", out], /are both folders of runs; give the one /],
  [
    "two sorts of choices",
    [config, "--trial", "1", "--configuration", join(out, "configuration.json")],
    /^quantfleet: --trial \(1\) and --configuration \(.*\) are both given; /,
  ],
] as const)
  refusals.push({ title, says, outcome: await quantize(...line) });

const twice = join(folder, "twice");
await quantize(config, "--out", twice);
const repeated = await quantize(config, "--out", twice);
const foreign = join(folder, "foreign");
await mkdir(foreign);
await writeFile(join(foreign, "model.onnx"), "somebody's own");
const overForeign = await quantize(config, "--out", foreign);
const replaced = await tune("--force");
const replacedResult = await result();
const extendedAgain = await tune("--resume", "--max-trials", "9");
const extendedResult = await result();
const quantizedOver = await quantize(config, "--out", out, "--force");
const left = (await readdir(out)).sort();
const own = join(folder, "own");
await mkdir(own);
await copyFile(join(DEMO, "model.onnx"), join(own, "model.onnx"));
await writeFile(join(own, "config.json"), JSON.stringify({ ...pareto, model: { model: "model.onnx" } }));
const overOwn = [
  await thread.run(["tune", join(own, "config.json"), "--out", own, "--force"]),
  await thread.run(["quantize", join(own, "config.json"), "--out", own, "--force"]),
];

const stateFile = join(out, "run", "runs", extendedResult.runId, "state.json");
await writeFile(stateFile, "{");
const overDamage = {
  tune: await tune(),
  resume: await tune("--resume"),
  replay: await thread.run(["replay", out]),
  trial: await quantize(out, "--trial", "1", "--force"),
};
const repaired = await tune("--force");
const replayedAgain = await thread.run(["replay", out]);

const [lastRun = ""] = (await readdir(join(out, "run", "runs"))).sort().slice(-1);
const configurationFile = join(out, "run", "runs", lastRun, "configuration.json");
const remembered = await readFile(configurationFile, "utf8");
const other = JSON.parse(remembered);
other.configuration.zzz = 1;
await writeFile(configurationFile, JSON.stringify(other));
const overOther = {
  replay: await thread.run(["replay", out]),
  trial: await quantize(out, "--trial", "1", "--force"),
};
await writeFile(configurationFile, remembered);

describe("A damaged record", () => {
  test("is reported with its file and a remedy by every command that reads it", () => {
    const says = `quantfleet: ${stateFile} is not JSON; start a new run in another folder by --out, or replace this one by --force.\n`;
    for (const outcome of Object.values(overDamage)) {
      assert.equal(outcome.stderr.split("\n").at(-2), says.trimEnd());
      assert.equal(outcome.code, 2);
    }
  });

  test("of a configuration is named by its file as well", () => {
    for (const outcome of Object.values(overOther)) {
      assert.equal(
        outcome.stderr,
        `quantfleet: zzz in ${configurationFile} is not a known key; known here: $schema, model, engine, optimizer, compression.\n`,
      );
      assert.equal(outcome.code, 2);
    }
  });

  test("does not prevent --force, which repairs the folder", () => {
    assert.ok(repaired.code === 0 || repaired.code === 3, repaired.stderr);
    assert.equal(replayedAgain.code, 0, replayedAgain.stderr);
  });
});

describe("A folder that holds the result of a run", () => {
  test("exists", () => assert.ok(first.code === 0 || first.code === 3, first.stderr));

  test("is not overwritten by tune without --force", () => {
    const remedies =
      "extend that run by --resume with a larger --max-trials, give another folder by --out, or replace it by --force.";
    assert.deepEqual(refused.tune, { code: 2, stdout: "", stderr: `${held}${remedies}\n` });
  });

  test("is not overwritten by quantize either", () => {
    const remedies = "give another folder by --out, or replace it by --force.";
    assert.deepEqual(refused.quantize, { code: 2, stdout: "", stderr: `${held}${remedies}\n` });
  });

  test("cannot be resumed and replaced at once", () => {
    assert.equal(refused.both.code, 2);
    assert.match(refused.both.stderr, /^quantfleet: --resume and --force are both given; .*\n$/);
  });

  test("is not resumed with another configuration of the search", () => {
    assert.equal(refused.seed.code, 2);
    assert.match(
      refused.seed.stderr,
      /holds a run of another configuration; .* only max_trials, max_minutes and max_cost_usd/,
    );
  });

  test("is unchanged by refused commands", () => assert.deepEqual(afterwards, before));
});

describe("--resume with more trials", () => {
  test("extends the run and keeps its trials", () => {
    assert.ok(extended.code === 0 || extended.code === 3, extended.stderr);
    assert.equal(longer.length, 15);
    assert.deepEqual(longer.slice(0, shorter.length), shorter);
    assert.equal(counts.asked, 14);
  });

  test("leaves a run whose asks replay", () => assert.equal(replayed.code, 0, replayed.stdout));

  test("changes nothing when the run already has that many", () => {
    assert.equal(again.code, extended.code);
    assert.deepEqual(unchanged, longer);
  });
});

describe("quantize --trial", () => {
  test("writes the points of the front with their metrics, from the run's folder alone", () => {
    assert.ok(points.length > 0);
    for (const { metric, written, score } of points) {
      assert.equal(written.code, 0, written.stderr);
      assert.deepEqual(JSON.parse(score.stdout).metric, metric);
    }
  });

  test("writes the same with a configuration and --run", async () => {
    assert.deepEqual([alone.code, withConfiguration.code], [0, 0], withConfiguration.stderr);
    assert.ok((await readModel(plain)).equals(await readModel(named)));
  });

  for (const { title, says, outcome } of refusals)
    test(`refuses ${title}`, () => {
      assert.match(outcome.stderr, says);
      assert.equal(outcome.stderr.split("\n").length, 2);
      assert.equal(outcome.code, 2);
    });
});

describe("An existing model", () => {
  test("is replaced by quantize only if quantize wrote it", () => {
    assert.equal(repeated.code, 0, repeated.stderr);
    assert.equal(overForeign.code, 2);
    assert.match(overForeign.stderr, /already holds model\.onnx; /);
  });

  test("is replaced by tune --force, whose run can be resumed", () => {
    assert.ok(replaced.code === 0 || replaced.code === 3, replaced.stderr);
    assert.notEqual(replacedResult.runId, runId);
    assert.equal(replacedResult.trials.asked, SIZE.trials);
    assert.ok(extendedAgain.code === 0 || extendedAgain.code === 3, extendedAgain.stderr);
    assert.deepEqual([extendedResult.runId, extendedResult.trials.asked], [replacedResult.runId, 9]);
  });

  test("is replaced by quantize --force, which removes the other model's results", () => {
    assert.equal(quantizedOver.code, 0, quantizedOver.stderr);
    for (const file of ["result.json", "configuration.json"]) assert.ok(!left.includes(file), file);
  });

  test("is never replaced when it is the input", () => {
    const says = `quantfleet: ${join(own, "model.onnx")} is read, and would be replaced by the result; give another folder by --out.\n`;
    for (const outcome of overOwn) assert.deepEqual(outcome, { code: 2, stdout: "", stderr: says });
  });
});
