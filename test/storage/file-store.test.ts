import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { describeObjectStore } from "./object-store-conformance.js";

const root = await mkdtemp(join(tmpdir(), "file-store-"));
after(() => rm(root, { recursive: true, force: true }));
const newFolder = (): Promise<string> => mkdtemp(join(root, "store-"));
const writer = fileURLToPath(new URL("./counting-writer.js", import.meta.url));

describeObjectStore("files", async () => FileObjectStore.open(await newFolder()));

test("a file store lists the same keys however its folder is named", async () => {
  const folder = await newFolder();
  const store = await FileObjectStore.open(`${folder}/./`);
  await store.put("a/b", Buffer.from("x"));
  const keys: string[] = [];
  for await (const key of store.list("")) keys.push(key);
  assert.deepEqual(keys, ["a/b"]);
});

describe("file store between processes", () => {
  test("loses no increment of racing processes", async () => {
    const folder = await newFolder();
    const store = await FileObjectStore.open(folder);
    await store.put("counter", Buffer.from("0"));
    const children = [25, 25, 25].map((times) => fork(writer, [folder, `${times}`]));
    const exits = await Promise.all(children.map((child) => once(child, "exit")));
    assert.deepEqual(
      exits.map(([code]) => code),
      [0, 0, 0],
    );
    assert.equal(Buffer.from((await store.get("counter"))?.body ?? []).toString(), "75");
  });

  test("killed writers leave only complete objects, and no drafts or locks after the next open", async () => {
    const folder = await newFolder();
    const store = await FileObjectStore.open(folder);
    await store.put("counter", Buffer.from("0"));
    let confirmed = 0;
    for (let round = 0; round < 6; round++) {
      const child = fork(writer, [folder, "1000000"]);
      // Each write is confirmed; the kill interrupts a later one.
      const target = confirmed + 3 + round;
      child.on("message", (count: number) => {
        confirmed = Math.max(confirmed, count);
        if (count >= target) child.kill("SIGKILL");
      });
      await once(child, "exit");
      const reopened = await FileObjectStore.open(folder);
      const count = Number(Buffer.from((await reopened.get("counter"))?.body ?? []).toString());
      assert.ok(count >= confirmed, `${count} was read after ${confirmed} had been confirmed`);
      assert.deepEqual(await readdir(join(folder, ".drafts")), []);
    }
    const last = await store.get("counter");
    await store.put("counter", Buffer.from("done"), { ifMatch: last?.etag ?? "" });
    assert.deepEqual(await readdir(join(folder, ".locks")), []);
  });
});
