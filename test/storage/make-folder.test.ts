import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { makeFolder } from "../../shared/storage/make-folder.js";

const root = await mkdtemp(join(tmpdir(), "make-folder-"));
after(() => rm(root, { recursive: true, force: true }));

describe("makeFolder", () => {
  test("creates a folder with its parents, and leaves an existing one as it is", async () => {
    const path = join(root, "a", "b", "c");
    await makeFolder(path);
    await makeFolder(path);
    assert.ok((await stat(path)).isDirectory());
  });

  test("makes a folder from several places at once", async () => {
    const path = join(root, "many", "at", "once");
    await Promise.all(Array.from({ length: 8 }, (_, i) => makeFolder(join(path, `${i % 2}`))));
    assert.ok((await stat(join(path, "1"))).isDirectory());
  });

  test("refuses where a file is in the way", async () => {
    await writeFile(join(root, "file"), "");
    await assert.rejects(makeFolder(join(root, "file")), { code: "EEXIST" });
    await assert.rejects(makeFolder(join(root, "file", "below")), { code: "ENOTDIR" });
  });

  test("fails where a folder cannot be created although its parent exists", {
    skip: process.platform !== "linux",
  }, async () => {
    await assert.rejects(makeFolder("/proc/quantfleet/run"), { code: "ENOENT" });
  });
});
