import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SqsServer, startSqsServer } from "../emulated/aws/sqs-server.js";
import { describeFifoQueue, describeStandardQueue } from "./queue-conformance.js";
import { openPolledSqsQueue, openSqsQueue } from "./sqs-queue-under-test.js";

let server: SqsServer;
before(async () => {
  server = await startSqsServer();
});
after(() => server.close());

const open = (kind: "standard" | "fifo") => openSqsQueue(server, kind);

describeStandardQueue("SQS", () => open("standard"));
describeFifoQueue("SQS", () => open("fifo"));

describeFifoQueue(
  "SQS, polled by an event source",
  async () => (await openPolledSqsQueue(server, "fifo")).polled,
);

test("messages that together exceed the size of a batch are sent in several batches", async () => {
  const { queue } = await open("standard");
  const large = "x".repeat(700_000);
  await queue.send([{ body: large }, { body: large }]);
  const first = await queue.receive({ max: 10, waitMilliseconds: 0 });
  const second = await queue.receive({ max: 10, waitMilliseconds: 0 });
  assert.equal(first.length + second.length, 2);
});

test("returns the group of a message", async () => {
  const { queue } = await open("fifo");
  await queue.send([{ body: "1", group: "run", deduplication: "1" }]);
  const [message] = await queue.receive({ max: 1, waitMilliseconds: 0 });
  assert.equal(message?.group, "run");
});
