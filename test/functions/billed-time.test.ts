import assert from "node:assert/strict";
import { test } from "node:test";
import { BilledTime } from "../../functions/billed-time.js";

test("every millisecond of an environment's invocations is charged once, the start included", async () => {
  let clock = 1_000;
  const time = new BilledTime({
    megabytes: 2_048,
    architecture: "x86_64",
    now: () => clock,
    initMilliseconds: 300,
  });
  const charged: number[] = [];
  await time.during(async () => {
    clock += 50;
    charged.push(time.charge().milliseconds);
    // Time after the report is charged with the next report …
    clock += 7;
  });
  // … and time between invocations never.
  clock += 10_000;
  const failing = time.during(async () => {
    clock += 11;
    throw new Error("the job failed");
  });
  await assert.rejects(failing);
  await time.during(async () => {
    clock += 2;
    charged.push(time.charge().milliseconds, time.charge().milliseconds);
  });
  assert.deepEqual(charged, [350, 20, 0]);
  assert.deepEqual(time.charge(), { milliseconds: 0, megabytes: 2_048, architecture: "x86_64" });
});
