import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TrialReported } from "../../../shared/run/protocol/messages.js";
import { type ClaimOutcome, claimJob } from "../../../shared/run/store/claim.js";
import { StoreUnavailableError } from "../../../shared/storage/errors.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type { PutCondition } from "../../../shared/storage/object-store.js";
import { RetryingObjectStore } from "../../../shared/storage/retrying-store.js";
import { answerToyJob, toyTrialJob } from "../toy-model.js";
import { toyRequest } from "../toy-study.js";

const job = toyTrialJob(1_000);
const report = answerToyJob(toyRequest(), job, { worker: "w", isa: "i", at: 1 }) as TrialReported;

function granted(outcome: ClaimOutcome) {
  assert.ok(outcome.state === "granted");
  return outcome.lease;
}

describe("claims of jobs", () => {
  test("of several concurrent workers, one gets the job", async () => {
    const store = new MemoryObjectStore();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => claimJob(store, job, 0, 100)));
    assert.equal(outcomes.filter(({ state }) => state === "granted").length, 1);
    assert.equal(outcomes.filter(({ state }) => state === "taken").length, 9);
  });

  test("another attempt or shard is another job", async () => {
    const store = new MemoryObjectStore();
    granted(await claimJob(store, job, 0, 100));
    granted(await claimJob(store, { ...job, attempt: 2 }, 0, 100));
    granted(await claimJob(store, { ...job, shard: { index: 1, count: 2 } }, 0, 100));
  });

  test("an expired lease passes to exactly one other worker, and the first has lost it", async () => {
    const store = new MemoryObjectStore();
    const first = granted(await claimJob(store, job, 0, 100));
    assert.deepEqual(await claimJob(store, job, 99, 200), { state: "taken", until: 100 });
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => claimJob(store, job, 100, 200)));
    assert.equal(outcomes.filter(({ state }) => state === "granted").length, 1);
    assert.equal(await first.extend(300), false);
    assert.equal(await first.answer(report), false);
  });

  test("a lease that is extended stays", async () => {
    const store = new MemoryObjectStore();
    const lease = granted(await claimJob(store, job, 0, 100));
    assert.equal(await lease.extend(500), true);
    assert.deepEqual(await claimJob(store, job, 400, 900), { state: "taken", until: 500 });
  });

  test("a worker that receives an answered job finds the report", async () => {
    const store = new MemoryObjectStore();
    assert.equal(await granted(await claimJob(store, job, 0, 100)).answer(report), true);
    assert.deepEqual(await claimJob(store, job, 50, 150), { state: "answered", report });
  });

  test("a claim whose answer from the store was lost is still the worker's own", async () => {
    class LosingStore extends MemoryObjectStore {
      #puts = 0;
      override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
        const etag = await super.put(key, body, condition);
        if (++this.#puts % 2 === 1) throw new StoreUnavailableError(key);
        return etag;
      }
    }
    const policy = { attempts: 3, pauseMilliseconds: 1, sleep: async () => {} };
    const store = new RetryingObjectStore(new LosingStore(), policy);
    const lease = granted(await claimJob(store, job, 0, 100));
    assert.equal(await lease.extend(200), true);
    await lease.answer(report);
    assert.equal((await claimJob(store, job, 0, 100)).state, "answered");
  });
});
