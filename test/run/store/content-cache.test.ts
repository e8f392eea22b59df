import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { WorkloadFile } from "../../../shared/run/store/workload-document.js";
import { fetchWorkloadFiles } from "../../../shared/run/store/workload-folder.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";

const base = await mkdtemp(join(tmpdir(), "quantfleet-cache-"));
after(() => rm(base, { recursive: true, force: true }));
const BYTES = 1_000;
const store = new MemoryObjectStore();

async function stored(fill: string): Promise<WorkloadFile> {
  const body = Buffer.alloc(BYTES, fill);
  const sha256 = createHash("sha256").update(body).digest("hex");
  await store.put(`data/${sha256}`, body);
  return { path: `${fill}.bin`, key: `data/${sha256}`, bytes: BYTES, sha256 };
}

const files = { a: await stored("a"), b: await stored("b"), c: await stored("c"), d: await stored("d") };
type Name = keyof typeof files;

/** A cache in its own folder. */
async function openCache(name: string, cacheBytes: number) {
  const cache = join(base, name, "contents");
  let run = 0;
  return {
    cache,
    async fetch(...names: Name[]): Promise<string> {
      const folder = join(base, name, `run-${++run}`);
      const wanted = names.map((file) => files[file]);
      await fetchWorkloadFiles(store, wanted, { folder, cache, cacheBytes });
      return folder;
    },
    /** Marks a content as used that many seconds ago; fetching one makes it the newest. */
    async age(file: Name, seconds: number): Promise<void> {
      const at = Date.now() / 1_000 - seconds;
      await utimes(join(cache, files[file].sha256), at, at);
    },
    async held(): Promise<string> {
      const names = new Set(await readdir(cache));
      return (Object.keys(files) as Name[]).filter((file) => names.has(files[file].sha256)).join("");
    },
  };
}

describe("The cache of contents", () => {
  test("removes the least recently used contents, where fetching counts as use", async () => {
    const { fetch, age, held } = await openCache("least-recent", 3 * BYTES);
    await fetch("a", "b");
    await fetch("c");
    await age("a", 30);
    await age("b", 20);
    await age("c", 10);
    // Used again, so b is the least recently used.
    await fetch("a");
    await fetch("d");
    assert.equal(await held(), "acd");
  });

  test("never removes contents that the run needs, even beyond its bound", async () => {
    const { fetch, held } = await openCache("own", 2 * BYTES);
    await fetch("a");
    const folder = await fetch("b", "c", "d");
    assert.equal(await held(), "bcd");
    for (const file of ["b", "c", "d"])
      assert.equal((await readFile(join(folder, `${file}.bin`))).toString(), file.repeat(BYTES));
  });

  test("keeps a removed content in the folder that links to it", async () => {
    const { fetch, held } = await openCache("linked", BYTES);
    const earlier = await fetch("a");
    await fetch("b");
    assert.equal(await held(), "b");
    assert.equal((await readFile(join(earlier, "a.bin"))).toString(), "a".repeat(BYTES));
  });

  test("removes abandoned drafts", async () => {
    const { cache, fetch } = await openCache("drafts", 3 * BYTES);
    await fetch("a");
    const [old, young] = ["old", "young"].map((name) => join(cache, `${files.b.sha256}.${name}`));
    for (const draft of [old, young]) await writeFile(draft!, "cut");
    await utimes(old!, 1, 1);
    await fetch("c");
    const names = await readdir(cache);
    assert.deepEqual(
      names.filter((name) => name.includes(".")),
      [`${files.b.sha256}.young`],
    );
  });
});
