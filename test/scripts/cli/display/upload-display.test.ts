import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { uploadDisplay } from "../../../../scripts/cli/display/upload-display.js";

/** The output for two files, one of which is uploaded in a hundred parts. */
function shown(stream: PassThrough & { isTTY?: boolean; columns?: number }): string {
  const show = uploadDisplay(stream);
  for (let part = 1; part <= 100; part++)
    show({ file: "x.npy", bytes: 100e6, sent: part * 1e6, wasThere: false });
  show({ file: "model.onnx", bytes: 2_000, sent: 2_000, wasThere: true });
  return String(stream.read());
}

test("without a terminal an upload has a line per tenth of the file, and one at its end", () => {
  const lines = shown(new PassThrough()).trimEnd().split("\n");
  assert.ok(lines.length >= 10 && lines.length <= 12);
  assert.equal(lines[0], "Uploading: 10.00 MB of 100.00 MB of x.npy");
  assert.deepEqual(lines.slice(-2), ["Uploaded: x.npy (100.00 MB).", "Already there: model.onnx (2.0 kB)."]);
});

test("on a terminal a bar is redrawn, no wider than the terminal, until the upload ends", () => {
  const written = shown(Object.assign(new PassThrough(), { isTTY: true, columns: 40 }));
  const lines = written.split("\n").map((line) => line.split("\u001b[0J").at(-1) ?? "");
  assert.equal(lines[49], `${"█".repeat(12)}${"░".repeat(12)} Uploading: 50.0`);
  assert.equal(lines[99], "Uploaded: x.npy (100.00 MB).");
  assert.equal(written.split("\u001b[1A").length, 100);
  assert.ok(written.endsWith("(100.00 MB).\nAlready there: model.onnx (2.0 kB).\n"));
});
