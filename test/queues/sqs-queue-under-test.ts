import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import type { SqsServer } from "../emulated/sqs-server.js";
import { MAX_DELIVERIES, type QueueUnderTest, VISIBILITY_MILLISECONDS } from "./queue-conformance.js";

/** A new queue of SQS with a dead-letter queue, as the conformance suite wants it. */
export async function openSqsQueue(
  { client, createQueue }: SqsServer,
  kind: "standard" | "fifo",
): Promise<QueueUnderTest> {
  const name = randomUUID();
  const suffix = kind === "fifo" ? ".fifo" : "";
  const attributes = {
    VisibilityTimeout: String(VISIBILITY_MILLISECONDS / 1_000),
    ...(kind === "fifo" ? { FifoQueue: "true" } : {}),
  };
  const dead = await createQueue(`${name}-dead${suffix}`, attributes);
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: MAX_DELIVERIES });
  const { url } = await createQueue(`${name}${suffix}`, { ...attributes, RedrivePolicy });
  return {
    queue: new SqsQueue({ client, url }),
    deadLetter: new SqsQueue({ client, url: dead.url }),
    pass: (milliseconds) => sleep(milliseconds),
  };
}
