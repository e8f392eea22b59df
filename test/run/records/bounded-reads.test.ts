import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { packRows } from "../../../shared/run/protocol/rows.js";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import { DamagedRecordError } from "../../../shared/run/store/damaged-record.js";
import { readRows } from "../../../shared/run/store/read-rows.js";
import { readStatistics } from "../../../shared/statistics/shard-store.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type { ByteRange, StoredObject } from "../../../shared/storage/object-store.js";
import { toyRequest } from "../toy-study.js";

/** A store with endless objects, which must be read by ranges. */
class EndlessStore extends MemoryObjectStore {
  override async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    if (range === undefined) throw new Error(`${key} was read to its end`);
    return { body: Buffer.alloc(range.end - range.start), etag: "endless" };
  }
}

const damaged = (problem: RegExp) => (error: unknown) =>
  error instanceof DamagedRecordError && problem.test(error.message);

describe("records that others may write are read up to their maximum size only", () => {
  test("rows", async () => {
    const store = new EndlessStore();
    await assert.rejects(
      readRows(store, "runs/r/scores/0/0-a.json"),
      damaged(/has more than 16778240 bytes/),
    );
  });

  test("restored trials", async () => {
    const store = new EndlessStore();
    const request = { ...toyRequest(), restored: { trials: 1, sha256: "0".repeat(64) } };
    await assert.rejects(
      new RunRecords(store).readRestored(request),
      damaged(/has more than 67108864 bytes/),
    );
  });

  test("statistics", async () => {
    const store = new EndlessStore();
    await assert.rejects(
      readStatistics(store, "statistics/key", 1),
      /has more than 536870912 bytes; delete it/,
    );
  });
});

test("malformed rows are a damaged record", async () => {
  const store = new MemoryObjectStore();
  const key = "runs/r/scores/0/0-a.json";
  assert.equal(await readRows(store, key), undefined);
  const rows = packRows(Float32Array.of(0, 1, 1), 1);
  await store.put(key, Buffer.from(JSON.stringify(rows)));
  assert.deepEqual(await readRows(store, key), rows);
  const short = JSON.stringify({ ...rows, rows: 60 });
  for (const body of ["{", '{"encoding":"bits"}', short]) {
    await store.put(key, Buffer.from(body));
    await assert.rejects(readRows(store, key), DamagedRecordError);
  }
});
