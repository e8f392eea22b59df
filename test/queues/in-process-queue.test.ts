import assert from "node:assert/strict";
import { test } from "node:test";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import { ManualClock } from "./manual-clock.js";
import {
  describeFifoQueue,
  describeStandardQueue,
  MAX_DELIVERIES,
  type QueueUnderTest,
  VISIBILITY_MILLISECONDS,
} from "./queue-conformance.js";

async function open(kind: "standard" | "fifo"): Promise<QueueUnderTest> {
  const clock = new ManualClock();
  const options = { kind, visibilityMilliseconds: VISIBILITY_MILLISECONDS, clock } as const;
  const deadLetter = new InProcessQueue(options);
  const queue = new InProcessQueue({ ...options, maxDeliveries: MAX_DELIVERIES, deadLetter });
  return { queue, deadLetter, pass: (milliseconds) => clock.pass(milliseconds) };
}

describeStandardQueue("in process", () => open("standard"));
describeFifoQueue("in process", () => open("fifo"));

test("a deduplication text is forgotten after five minutes", async () => {
  const { queue, pass } = await open("fifo");
  const message = { body: "1", group: "run", deduplication: "1" };
  await queue.send([message]);
  const [first] = await queue.receive({ max: 1, waitMilliseconds: 0 });
  await queue.acknowledge(first?.receipt ?? "");
  await pass(300_001);
  await queue.send([message]);
  assert.equal((await queue.receive({ max: 1, waitMilliseconds: 0 })).length, 1);
});

test("one call receives several messages of a group, as in SQS", async () => {
  const { queue } = await open("fifo");
  await queue.send(["1", "2"].map((body) => ({ body, group: "run", deduplication: body })));
  const received = await queue.receive({ max: 10, waitMilliseconds: 0 });
  assert.deepEqual(
    received.map(({ body }) => body),
    ["1", "2"],
  );
});
