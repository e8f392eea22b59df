import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Queue } from "../../shared/queues/queue.js";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import type { SqsServer } from "../emulated/aws/sqs-server.js";
import { MAX_DELIVERIES, type QueueUnderTest, VISIBILITY_MILLISECONDS } from "./queue-conformance.js";

/** A new SQS queue with a dead-letter queue, for the conformance suite. */
export async function openSqsQueue(server: SqsServer, kind: "standard" | "fifo"): Promise<QueueUnderTest> {
  return (await openPolledSqsQueue(server, kind)).sqs;
}

/** A new queue as functions use it (`sqs`), and as an event source receives from it (`polled`). */
export async function openPolledSqsQueue(
  { client, createQueue, poll }: SqsServer,
  kind: "standard" | "fifo",
): Promise<{ readonly sqs: QueueUnderTest; readonly polled: QueueUnderTest }> {
  const name = randomUUID();
  const suffix = kind === "fifo" ? ".fifo" : "";
  const attributes = {
    VisibilityTimeout: String(VISIBILITY_MILLISECONDS / 1_000),
    ...(kind === "fifo" ? { FifoQueue: "true" } : {}),
  };
  const dead = await createQueue(`${name}-dead${suffix}`, attributes);
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: MAX_DELIVERIES });
  const { url } = await createQueue(`${name}${suffix}`, { ...attributes, RedrivePolicy });
  const queue = new SqsQueue({ client, url });
  const poller = poll(url);
  const sqs = {
    queue,
    deadLetter: new SqsQueue({ client, url: dead.url }),
    pass: (milliseconds: number) => sleep(milliseconds),
  };
  const polled: Queue = {
    send: (messages) => queue.send(messages),
    receive: (options) => poller.receive(options),
    acknowledge: (receipt) => poller.acknowledge(receipt),
    changeVisibility: (receipt, milliseconds) => queue.changeVisibility(receipt, milliseconds),
  };
  return { sqs, polled: { ...sqs, queue: polled } };
}
