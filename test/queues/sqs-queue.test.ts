import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { queueArn, type SqsServer, startSqsServer } from "../emulated/sqs-server.js";
import {
  describeFifoQueue,
  describeStandardQueue,
  MAX_DELIVERIES,
  type QueueUnderTest,
  VISIBILITY_MILLISECONDS,
} from "./queue-conformance.js";

let server: SqsServer;
before(async () => {
  server = await startSqsServer();
});
after(() => server.close());

let opened = 0;

async function open(kind: "standard" | "fifo"): Promise<QueueUnderTest> {
  const name = `queue-${++opened}`;
  const suffix = kind === "fifo" ? ".fifo" : "";
  const attributes = {
    VisibilityTimeout: String(VISIBILITY_MILLISECONDS / 1_000),
    ...(kind === "fifo" ? { FifoQueue: "true" } : {}),
  };
  const { client } = server;
  const deadLetterUrl = await server.createQueue(`${name}-dead${suffix}`, attributes);
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: queueArn(`${name}-dead${suffix}`),
    maxReceiveCount: MAX_DELIVERIES,
  });
  const url = await server.createQueue(`${name}${suffix}`, { ...attributes, RedrivePolicy });
  return {
    queue: new SqsQueue({ client, url }),
    deadLetter: new SqsQueue({ client, url: deadLetterUrl }),
    pass: (milliseconds) => sleep(milliseconds),
  };
}

describeStandardQueue("SQS", () => open("standard"));
describeFifoQueue("SQS", () => open("fifo"));

test("messages that together are more than a batch may hold go in several", async () => {
  const { queue } = await open("standard");
  const large = "x".repeat(700_000);
  await queue.send([{ body: large }, { body: large }]);
  const first = await queue.receive({ max: 10, waitMilliseconds: 0 });
  const second = await queue.receive({ max: 10, waitMilliseconds: 0 });
  assert.equal(first.length + second.length, 2);
});

test("tells the group of a message", async () => {
  const { queue } = await open("fifo");
  await queue.send([{ body: "1", group: "run", deduplication: "1" }]);
  const [message] = await queue.receive({ max: 1, waitMilliseconds: 0 });
  assert.equal(message?.group, "run");
});
