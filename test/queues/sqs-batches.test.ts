import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { SQSClient } from "@aws-sdk/client-sqs";
import { MessagesRefusedError, SqsQueue } from "../../shared/queues/sqs-queue.js";

interface Batch {
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

/**
 * Runs `use` with a queue that refuses the messages selected by `refuse`, and returns the batches that it was
 * sent.
 */
async function withRefusingQueue(
  refuse: (body: string, batch: number) => { readonly senderFault: boolean } | undefined,
  use: (queue: SqsQueue) => Promise<void>,
): Promise<string[][]> {
  const batches: string[][] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as Batch;
    batches.push(Entries.map(({ MessageBody }) => MessageBody));
    const Successful: object[] = [];
    const Failed: object[] = [];
    for (const { Id, MessageBody } of Entries) {
      const refusal = refuse(MessageBody, batches.length);
      const MD5OfMessageBody = createHash("md5").update(MessageBody).digest("hex");
      if (refusal === undefined) Successful.push({ Id, MessageId: Id, MD5OfMessageBody });
      else Failed.push({ Id, SenderFault: refusal.senderFault, Code: "Refused" });
    }
    response.setHeader("content-type", "application/x-amz-json-1.0");
    response.end(JSON.stringify({ Successful, Failed }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: "emulated", secretAccessKey: "emulated" };
  const client = new SQSClient({ endpoint, region: "us-east-1", credentials });
  try {
    await use(new SqsQueue({ client, url: `${endpoint}/queue` }));
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
  return batches;
}

const messages = ["a", "b", "c"].map((body) => ({ body }));

test("resends only the messages of a batch that the queue refused", async () => {
  const batches = await withRefusingQueue(
    (body, batch) => (batch === 1 && body !== "b" ? { senderFault: false } : undefined),
    (queue) => queue.send(messages),
  );
  assert.deepEqual(batches, [
    ["a", "b", "c"],
    ["a", "c"],
  ]);
});

test("gives up on a message that is refused every time", async () => {
  const batches = await withRefusingQueue(
    (body) => (body === "b" ? { senderFault: false } : undefined),
    (queue) => assert.rejects(queue.send(messages), MessagesRefusedError),
  );
  assert.deepEqual(
    batches.slice(1),
    Array.from({ length: 4 }, () => ["b"]),
  );
});

test("does not resend a message that was refused through the sender's fault", async () => {
  const batches = await withRefusingQueue(
    (body) => (body === "b" ? { senderFault: true } : undefined),
    (queue) => assert.rejects(queue.send(messages), MessagesRefusedError),
  );
  assert.equal(batches.length, 1);
});
