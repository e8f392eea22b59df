import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(
  new URL("../../../../../scripts/tools/package/portable-lock.mjs", import.meta.url),
);

type Packages = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const RUNTIME = { version: "1.30.0", hasInstallScript: true };

describe("the lock file", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "quantfleet-lock-"));
    mkdirSync(path.join(folder, "scripts/tools/package"), { recursive: true });
    copyFileSync(SCRIPT, path.join(folder, "scripts/tools/package/portable-lock.mjs"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function writeLock(packages: Packages): void {
    const lock = { lockfileVersion: 3, packages: { "node_modules/onnxruntime-node": RUNTIME, ...packages } };
    writeFileSync(path.join(folder, "package-lock.json"), `${JSON.stringify(lock, null, 2)}\n`);
  }

  function readPackages(): Packages {
    return JSON.parse(readFileSync(path.join(folder, "package-lock.json"), "utf8")).packages;
  }

  function portableLock(...parameters: string[]): {
    readonly status: number | null;
    readonly stderr: string;
  } {
    const script = path.join(folder, "scripts/tools/package/portable-lock.mjs");
    return spawnSync(process.execPath, [script, ...parameters], { encoding: "utf8" });
  }

  test("gets the binaries for other platforms that npm omitted, at their pinned version", () => {
    writeLock({
      "node_modules/tool": {
        version: "2.0.0",
        dev: true,
        optionalDependencies: {
          "@tool/cli-darwin-arm64": "2.0.0",
          "@tool/cli-linux-x64-musl": "2.0.0",
          "@tool/cli-linux-arm-gnueabihf": "2.0.0",
          "@tool/cli-linux-x64": "2.0.0",
        },
      },
      "node_modules/@tool/cli-linux-x64": { version: "2.0.0", integrity: "sha512-x", optional: true },
    });
    assert.equal(portableLock().status, 0);
    const packages = readPackages();
    const added = { version: "2.0.0", dev: true, optional: true };
    assert.deepEqual(packages["node_modules/@tool/cli-darwin-arm64"], {
      ...added,
      cpu: ["arm64"],
      os: ["darwin"],
    });
    assert.deepEqual(packages["node_modules/@tool/cli-linux-x64-musl"], {
      ...added,
      cpu: ["x64"],
      libc: ["musl"],
      os: ["linux"],
    });
    assert.deepEqual(packages["node_modules/@tool/cli-linux-arm-gnueabihf"]?.cpu, ["arm"]);
    assert.equal(packages["node_modules/@tool/cli-linux-x64"]?.integrity, "sha512-x");
  });

  test("finds an optional dependency wherever Node would", () => {
    const nested = { version: "1.0.0", optional: true };
    writeLock({
      "node_modules/a": { version: "1.0.0", optionalDependencies: { "a-linux-x64": "1.0.0" } },
      "node_modules/a/node_modules/a-linux-x64": nested,
      "node_modules/b/node_modules/c": { version: "1.0.0", optionalDependencies: { "c-linux-x64": "1.0.0" } },
      "node_modules/c-linux-x64": nested,
    });
    portableLock();
    assert.equal(Object.keys(readPackages()).length, 5);
  });

  test("does not make older npm run the script that downloads CUDA", () => {
    writeLock({});
    assert.equal(portableLock("--check").status, 1);
    portableLock();
    assert.deepEqual(readPackages()["node_modules/onnxruntime-node"], { version: "1.30.0" });
    assert.equal(portableLock("--check").status, 0);
  });

  test("is unchanged when a missing package's name has no platform", () => {
    writeLock({ "node_modules/a": { version: "1.0.0", optionalDependencies: { fsevents: "2.0.0" } } });
    const { status, stderr } = portableLock();
    assert.equal(status, 1);
    assert.match(stderr, /"fsevents" is missing from package-lock\.json/);
    assert.equal(readPackages()["node_modules/onnxruntime-node"]?.hasInstallScript, true);
  });
});
