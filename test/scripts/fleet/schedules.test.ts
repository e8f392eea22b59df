import assert from "node:assert/strict";
import { test } from "node:test";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { removeSchedule } from "../../../scripts/fleet/schedules.js";
import { scheduledRunKey } from "../../../shared/run/store/scheduled-run.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";

test("a schedule that could not be removed keeps its document", async () => {
  const store = new MemoryObjectStore();
  await store.put(scheduledRunKey("nightly"), Buffer.from("{}"));
  const client = new SchedulerClient({
    endpoint: "http://127.0.0.1:1",
    region: "us-east-1",
    credentials: { accessKeyId: "none", secretAccessKey: "none" },
    maxAttempts: 1,
  });
  await assert.rejects(removeSchedule({ client, group: "fleet", store }, "nightly"));
  assert.ok(await store.get(scheduledRunKey("nightly")));
});
