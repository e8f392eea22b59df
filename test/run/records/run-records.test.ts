import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import { DamagedRecordError } from "../../../shared/run/store/damaged-record.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { toyRequest } from "../toy-study.js";

class ReadCountingStore extends MemoryObjectStore {
  reads = 0;

  override async get(key: string) {
    this.reads++;
    return super.get(key);
  }
}

describe("The request of a run", () => {
  test("is the first one written, and is read back only if it existed before", async () => {
    const store = new ReadCountingStore();
    const records = new RunRecords(store);
    const first = toyRequest({ seed: 1 });
    assert.deepEqual(await records.create(first), first);
    assert.equal(store.reads, 0);
    assert.deepEqual(await records.create(toyRequest({ seed: 2 })), first);
    assert.deepEqual(await records.readRequest(first.runId), first);
  });

  test("is read by workers without its space, in one call", async () => {
    const store = new ReadCountingStore();
    const records = new RunRecords(store);
    assert.equal(await records.readPlainRequest("toy"), undefined);
    const { space, ...plain } = await records.create(toyRequest());
    assert.ok(space.length > 0);
    assert.deepEqual(await records.readPlainRequest("toy"), plain);
    assert.equal(store.reads, 2);
  });

  test("is refused with a contradictory space that passes the schema, whether it was read back or not", async () => {
    const records = new RunRecords(new MemoryObjectStore());
    const { space, ...plain } = toyRequest();
    const twice = { ...plain, space: [...space, ...space] };
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(records.create(twice), DamagedRecordError);
  });
});
