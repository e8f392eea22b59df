import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../scripts/package-root.js";
import { startCommand } from "./command.js";

const MODEL = join(packageRoot(), "scripts", "demo", "model.onnx");

for (const [options, code] of [
  [["inspect", MODEL, "--json"], 0],
  [["--help"], 0],
] as const) {
  test(`${options[0]} ends without a word when nobody reads what it prints`, async () => {
    const { process: child, outcome } = startCommand(options, packageRoot());
    child.stdout!.destroy();
    const ended = await outcome;
    assert.equal(ended.stderr, "");
    assert.equal(ended.code, code);
  });
}

test("a command whose progress and errors nobody reads ends as it would have", async () => {
  const { process: child, outcome } = startCommand(["inspect", "nowhere.onnx"], packageRoot());
  child.stderr!.destroy();
  assert.equal((await outcome).code, 2);
});
