import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assembleFunction } from "../../infra/function-assets.js";

const folder = mkdtempSync(join(tmpdir(), "quantfleet-infra-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The size of a folder in bytes, subfolders included. */
function bytesOf(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

for (const architecture of ["arm64", "x64"] as const) {
  test(`an ${architecture} evaluator has that architecture's files only, under 60 MB`, () => {
    const out = join(folder, architecture);
    assembleFunction("evaluator", architecture, out);
    const binaries = join(out, "node_modules", "onnxruntime-node", "bin", "napi-v6");
    assert.deepEqual(readdirSync(binaries), ["linux"]);
    assert.deepEqual(readdirSync(join(binaries, "linux")), [architecture]);
    assert.ok(bytesOf(out) < 60e6);
  });
}

test("a coordinator has no ONNX Runtime", () => {
  const out = join(folder, "coordinator");
  assembleFunction("coordinator", "arm64", out);
  assert.deepEqual(readdirSync(out).sort(), ["chunks", "index.js", "package.json"]);
  for (const file of ["index.js", ...readdirSync(join(out, "chunks")).map((chunk) => join("chunks", chunk))])
    assert.doesNotMatch(readFileSync(join(out, file), "utf8"), /onnxruntime-node/, file);
});
