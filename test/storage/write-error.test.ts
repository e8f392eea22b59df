import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { writeWhole } from "../../scripts/api/output-folder.js";
import { RunError } from "../../shared/basics/errors.js";
import { PreconditionFailedError } from "../../shared/storage/errors.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { writing } from "../../shared/storage/write-error.js";

const root = await mkdtemp(join(tmpdir(), "write-error-"));
after(() => rm(root, { recursive: true, force: true }));

function refusal(code: string): () => Promise<never> {
  return async () => {
    throw Object.assign(new Error(`${code}: refused, write`), { code, syscall: "write" });
  };
}

describe("a file that cannot be written", () => {
  test("is reported with the reason and a remedy", async () => {
    await assert.rejects(writing("out/run/state.json", refusal("ENOSPC")), (error) => {
      assert.ok(error instanceof RunError);
      assert.equal(
        error.message,
        "out/run/state.json cannot be written (ENOSPC); the disk is full: make room on it, or use a folder on another disk.",
      );
      return true;
    });
    await assert.rejects(writing("out", refusal("EIO")), {
      message: "out cannot be written (EIO); check the folder and its disk, or use another folder.",
    });
  });

  test("is reported with the innermost path, and other errors are passed on", async () => {
    await assert.rejects(
      writing("outer", () => writing("inner", refusal("EDQUOT"))),
      /^RunError: inner cannot be written \(EDQUOT\)/,
    );
    const lost = new PreconditionFailedError("key");
    await assert.rejects(
      writing("path", () => Promise.reject(lost)),
      (error) => error === lost,
    );
  });

  test("may be an output file on a full disk, and leaves no draft", {
    skip: process.platform !== "linux",
  }, async () => {
    const path = join(root, "result.json");
    await symlink("/dev/full", `${path}.${process.pid}.draft`);
    await assert.rejects(
      writeWhole(path, "{}"),
      /result\.json cannot be written \(ENOSPC\); the disk is full/,
    );
    assert.deepEqual(await readdir(root), []);
  });

  test("may be a store's folder", { skip: process.platform !== "linux" }, async () => {
    await assert.rejects(
      FileObjectStore.open("/proc/quantfleet/run"),
      /^RunError: \/proc\/quantfleet\/run cannot be written \(ENOENT\)/,
    );
  });
});
