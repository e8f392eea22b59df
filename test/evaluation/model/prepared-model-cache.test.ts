import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type PreparedModel, prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { openPreparedModel } from "../../../shared/evaluation/model/prepared-model-cache.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import type { ContentFolder } from "../../../shared/run/store/content-cache.js";
import { demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";

const scratch = await mkdtemp(join(tmpdir(), "quantfleet-prepared-"));
after(() => rm(scratch, { recursive: true, force: true }));

const { model } = await demoConfiguration({ trials: 1, calibration: 1, evaluation: 1 });
const LONG_AGO = new Date(0);

async function openFolder(maxBytes = Number.POSITIVE_INFINITY): Promise<ContentFolder> {
  return { folder: await mkdtemp(join(scratch, "contents-")), maxBytes };
}

/** The folder's only entry. */
async function entryOf({ folder }: ContentFolder): Promise<string> {
  const names = await readdir(folder);
  assert.equal(names.length, 1);
  assert.match(names[0]!, /^[0-9a-f]{64}$/);
  return join(folder, names[0]!);
}

function assertAlike({ model: left, ...a }: PreparedModel, { model: right, ...b }: PreparedModel): void {
  assert.deepEqual(Buffer.from(encodeModel(left)), Buffer.from(encodeModel(right)));
  assert.deepEqual(a, b);
}

describe("A prepared model that is kept", () => {
  test("equals a freshly prepared one, and is not prepared again", async () => {
    const contents = await openFolder();
    const prepared = await prepareModelFile(model.model);
    assertAlike(await openPreparedModel(model.model, 13, contents), prepared);
    const entry = await entryOf(contents);
    await utimes(entry, LONG_AGO, LONG_AGO);
    const { ino } = await stat(entry);
    assertAlike(await openPreparedModel(model.model, 13, contents), prepared);
    const used = await stat(entry);
    assert.equal(used.ino, ino);
    assert.ok(used.mtime > LONG_AGO);
  });

  test("is prepared anew for another operator set", async () => {
    const contents = await openFolder();
    await openPreparedModel(model.model, 13, contents);
    assertAlike(await openPreparedModel(model.model, 21, contents), await prepareModelFile(model.model, 21));
    assert.equal((await readdir(contents.folder)).length, 2);
  });

  for (const [damage, damaged] of [
    ["cut short", (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ["empty", () => Buffer.alloc(0)],
    ["of another byte", (bytes: Buffer) => Buffer.from(bytes).fill(bytes.at(-1)! ^ 1, bytes.length - 1)],
  ] as const) {
    test(`is prepared again where it is ${damage}`, async () => {
      const contents = await openFolder();
      const prepared = await openPreparedModel(model.model, 13, contents);
      const entry = await entryOf(contents);
      const written = await readFile(entry);
      await writeFile(entry, damaged(written));
      assertAlike(await openPreparedModel(model.model, 13, contents), prepared);
      assert.deepEqual(await readFile(await entryOf(contents)), written);
    });
  }

  test("is not kept where there is no space left", async () => {
    const contents = await openFolder(1_000);
    assertAlike(await openPreparedModel(model.model, 13, contents), await prepareModelFile(model.model));
    assert.deepEqual(await readdir(contents.folder), []);
  });
});
