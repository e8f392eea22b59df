import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { makeBatches } from "../../../shared/evaluation/model/batching.js";

fc.configureGlobal({ seed: 12, numRuns: 300 });

const samples = fc.uniqueArray(fc.nat(1000), { maxLength: 60 });
const size = fc.integer({ min: 1, max: 16 });

describe("Batches", () => {
  test("count every sample once, in order, without those that fill a batch up", () => {
    fc.assert(
      fc.property(samples, size, fc.boolean(), (wanted, most, fixed) => {
        const batches = makeBatches(wanted, most, fixed);
        assert.deepEqual(
          batches.flatMap((batch) => batch.samples.slice(0, batch.counted)),
          wanted,
        );
      }),
    );
  });

  test("of a fixed size are filled up with their last sample", () => {
    fc.assert(
      fc.property(samples, size, (wanted, most) => {
        for (const batch of makeBatches(wanted, most, true)) {
          assert.equal(batch.samples.length, most);
          const last = batch.samples[batch.counted - 1];
          assert.ok(batch.samples.slice(batch.counted).every((sample) => sample === last));
        }
        for (const batch of makeBatches(wanted, most, false)) {
          assert.equal(batch.samples.length, batch.counted);
        }
      }),
    );
  });
});
