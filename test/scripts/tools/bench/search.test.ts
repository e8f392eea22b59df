import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { packageRoot } from "../../../../scripts/package/package-root.js";

const folder = mkdtempSync(join(tmpdir(), "quantfleet-bench-search-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function bench(...arguments_: string[]): ReturnType<typeof start> {
  return start("search.js", arguments_);
}

function start(
  name: string,
  arguments_: readonly string[],
): { status: number | null; stdout: string; stderr: string } {
  const script = join(packageRoot(), "dist", "scripts", "tools", "bench", name);
  return spawnSync(process.execPath, [script, ...arguments_], { cwd: folder, encoding: "utf8" });
}

const SMALL = file(
  "small.json",
  JSON.stringify({
    name: "small",
    parameters: [
      { name: "b", choices: 2, when: { name: "a", is: [1] } },
      { name: "a", choices: 2 },
    ],
    main: [
      [0, 3],
      [1, 0],
    ],
  }),
);

describe("bench:search", () => {
  test("prints lines with only the documented keys", () => {
    const { status, stdout } = bench(SMALL, "--seeds", "2", "--trials", "60", "--json");
    assert.equal(status, 0);
    assert.equal(stdout, '{"problem":"small","batch":1,"seeds":2,"trials":[50,60],"median":[0,0]}\n');
  });

  test("compares with the lines of a file, trial count by trial count", () => {
    const line = { problem: "small", batch: 1, seeds: 2, trials: [50, 60], median: [1, 0] };
    const kept = file("optuna.jsonl", `${JSON.stringify(line)}\n`);
    const { status, stdout } = bench(SMALL, "--seeds", "2", "--trials", "60", "--optuna", kept);
    assert.equal(status, 0);
    assert.match(stdout, /│ small +│ – +│ 0\.0000 │ 50 +│ 0\.0000 │ 1\.0000 │ – +│ 0\.000 │ [123] +│/);
    assert.match(stdout, /│ +│ +│ +│ 60 +│ 0\.0000 │ 0\.0000 │ – +│ 1\.000 │ [123] +│/);
  });

  test("runs Optuna's script with the same options", () => {
    const python = file(
      "python",
      `#!/bin/sh
echo "$@" > ${folder}/arguments
echo '{"problem":"small","sampler":"Optuna 9","batch":32,"seeds":2,"trials":[5],"median":[1]}'
`,
    );
    chmodSync(python, 0o755);
    const options = ["--seeds", "2", "--trials", "5", "--batch", "32"];
    const { status, stdout } = bench(SMALL, ...options, "--python", python);
    assert.equal(status, 0);
    assert.match(stdout, /Optuna's column: Optuna 9, 2 seeds\./);
    assert.match(stdout, /0\.0000 │ 1\.0000 │/);
  });

  test("explains why Optuna's column is empty", () => {
    const { status, stdout } = bench(SMALL, "--seeds", "1", "--trials", "5");
    assert.equal(status, 0);
    assert.match(stdout, /give --python, or --optuna/);
  });

  const broken = file("broken.json", '{"name": ');
  const misfit = file("misfit.json", '{"name":"m","parameters":[{"name":"a","choices":2}],"main":[[1]]}');
  const unlike = file("unlike.jsonl", '\n{"problem":"p","batch":1,"seeds":1,"trials":[5],"median":[]}\n');
  for (const [arguments_, sentence] of [
    [["nowhere.json"], /nowhere\.json cannot be read \(ENOENT\); give the path of a problem file\.$/],
    [[folder], /cannot be read \(EISDIR\)/],
    [[broken], /broken\.json is not JSON \(.*\); correct it there\.$/],
    [[misfit], /misfit\.json: main\.0: 1 values stand for the 2 choices of "a"; give one a choice\.$/],
    [[SMALL, "--seeds", "x"], /--seeds is "x", but must be a whole number from 1 on\.$/],
    [[SMALL, "--batch", "0"], /--batch is "0"/],
    [[SMALL, "--trials", "1.5"], /--trials is "1\.5"/],
    [[SMALL, "--nothing"], /Unknown option '--nothing'; see --help\.$/],
    [[SMALL, "--json", "--python", "python3"], /--python and --json exclude each other/],
    [[SMALL, "--optuna", "nowhere.jsonl"], /nowhere\.jsonl cannot be read \(ENOENT\)/],
    [[SMALL, "--optuna", unlike], /unlike\.jsonl:2: 0 medians stand for 1 numbers of trials/],
    [[SMALL, "--seeds", "1", "--python", "no-python"], /--python no-python does not start \(ENOENT\)/],
    [[], /\.\.\/shared\/anchors\/search is missing; name problem files/],
  ] as const) {
    test(`refuses ${arguments_.map((each) => each.replace(folder, ".")).join(" ") || "to run on nothing"}`, () => {
      const { status, stdout, stderr } = bench(...arguments_);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      const said = stderr.split("\n").filter((line) => line !== "" && line !== "small …");
      assert.equal(said.length, 1, stderr);
      assert.match(said[0]!, sentence);
    });
  }
});

test("bench:pareto refuses unusable arguments in one sentence", () => {
  for (const [arguments_, sentence] of [
    [["--seeds", "x"], 'bench:pareto: --seeds is "x", but must be a whole number from 1 on.\n'],
    [["--nothing"], "bench:pareto: Unknown option '--nothing'; see --help.\n"],
  ] as const) {
    const { status, stderr } = start("search-pareto.js", arguments_);
    assert.equal(status, 2);
    assert.equal(stderr, sentence);
  }
});
