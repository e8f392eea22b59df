import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(
  new URL("../../../../../scripts/tools/package/skip-cuda-download.mjs", import.meta.url),
);
const PLATFORM = `${process.platform}/${process.arch}`;

describe("the preinstall script", () => {
  let folder: string;
  let runtime: string;
  let binaries: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "quantfleet-preinstall-"));
    runtime = path.join(folder, "node_modules/onnxruntime-node");
    binaries = path.join(runtime, "bin/napi-v6", PLATFORM);
    mkdirSync(path.join(folder, "node_modules/quantfleet"), { recursive: true });
    copyFileSync(SCRIPT, path.join(folder, "node_modules/quantfleet/skip-cuda-download.mjs"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Lays out an onnxruntime-node that would download `./cuda.so` and `./shared.so` on `platform`. */
  function installRuntime(platform: string): void {
    mkdirSync(path.join(runtime, "script"), { recursive: true });
    mkdirSync(binaries, { recursive: true });
    writeFileSync(path.join(runtime, "package.json"), '{ "name": "onnxruntime-node", "version": "1.30.0" }');
    const metadata = {
      requirements: { [platform]: ["cuda12"] },
      manifests: { [`${platform}:cuda12`]: { "./cuda.so": {}, "./shared.so": {} } },
    };
    writeFileSync(
      path.join(runtime, "script/install-metadata.js"),
      `module.exports = ${JSON.stringify(metadata)};`,
    );
  }

  function preinstall(environment: NodeJS.ProcessEnv = {}): void {
    const script = path.join(folder, "node_modules/quantfleet/skip-cuda-download.mjs");
    execFileSync(process.execPath, [script], { env: { PATH: process.env.PATH, ...environment } });
  }

  test("writes placeholders for missing downloads, and keeps existing files", () => {
    installRuntime(PLATFORM);
    writeFileSync(path.join(binaries, "shared.so"), "real");
    preinstall();
    assert.deepEqual(readdirSync(binaries).sort(), ["cuda.so", "shared.so"]);
    assert.match(readFileSync(path.join(binaries, "cuda.so"), "utf8"), /Left out by quantfleet/);
    assert.equal(readFileSync(path.join(binaries, "shared.so"), "utf8"), "real");
  });

  test("does nothing when the user has set what to install", () => {
    installRuntime(PLATFORM);
    preinstall({ ONNXRUNTIME_NODE_INSTALL: "cuda12" });
    preinstall({ npm_config_onnxruntime_node_install_cuda: "true" });
    assert.deepEqual(readdirSync(binaries), []);
  });

  test("does nothing on a platform without downloads", () => {
    installRuntime("another/platform");
    preinstall();
    assert.deepEqual(readdirSync(binaries), []);
  });

  test("does nothing before dependencies are installed", () => {
    preinstall();
    assert.deepEqual(readdirSync(path.join(folder, "node_modules")), ["quantfleet"]);
  });
});
