import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { connectToSqs } from "../emulated/aws/sqs-server.js";

/** Runs `use` with a queue that refuses every call as SQS refuses an invalid parameter. */
async function withRefusal(message: string, use: (queue: SqsQueue) => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(400, {
      "content-type": "application/x-amz-json-1.0",
      "x-amzn-query-error": "InvalidParameterValue;Sender",
    });
    response.end(JSON.stringify({ __type: "com.amazonaws.sqs#InvalidParameterValueException", message }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sqs = connectToSqs(endpoint);
  try {
    await use(new SqsQueue({ client: sqs.client, url: `${endpoint}/queue` }));
  } finally {
    await sqs.close();
    server.closeAllConnections();
    server.close();
  }
}

test("an outdated receipt is ignored", async () => {
  for (const reason of [
    "The receipt handle has expired.",
    "Message does not exist or is not available for visibility timeout change.",
  ])
    await withRefusal(
      `Value AQEB for parameter ReceiptHandle is invalid. Reason: ${reason}`,
      async (queue) => {
        await queue.acknowledge("AQEB");
        await queue.changeVisibility("AQEB", 1_000);
      },
    );
});

test("another invalid parameter is an error", async () => {
  await withRefusal("Value -1 for parameter VisibilityTimeout is invalid.", async (queue) => {
    await assert.rejects(queue.changeVisibility("AQEB", 1_000), /VisibilityTimeout/);
  });
});
