import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../scripts/package/package-root.js";
import { startCommand } from "./steps/command.js";

const MODEL = join(packageRoot(), "scripts", "demo", "model.onnx");

for (const [options, code] of [
  [["inspect", MODEL, "--json"], 0],
  [["--help"], 0],
] as const) {
  test(`${options[0]} ends silently when its stdout is closed`, async () => {
    const { process: child, outcome } = startCommand(options, packageRoot());
    child.stdout!.destroy();
    const ended = await outcome;
    assert.equal(ended.stderr, "");
    assert.equal(ended.code, code);
  });
}

test("a command whose stderr is closed ends as usual", async () => {
  const { process: child, outcome } = startCommand(["inspect", "nowhere.onnx"], packageRoot());
  child.stderr!.destroy();
  assert.equal((await outcome).code, 2);
});

for (const options of [["inspect", MODEL, "--json"], ["--help"]])
  test(`${options[0]} reports a full disk in one sentence when stdout is a file`, {
    skip: process.platform !== "linux",
  }, async () => {
    const full = await open("/dev/full", "w");
    const command = join(packageRoot(), "dist", "scripts", "quantfleet.js");
    const { status, stderr } = spawnSync(process.execPath, [command, ...options], {
      stdio: ["ignore", full.fd, "pipe"],
      encoding: "utf8",
    });
    await full.close();
    assert.equal(
      stderr,
      "quantfleet: Standard output cannot be written (ENOSPC); the disk is full: make room on it, or use a folder on another disk.\n",
    );
    assert.equal(status, 1);
  });
