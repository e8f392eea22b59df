import type { AddressInfo } from "node:net";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { buildApp } from "fauxqs";
import { SqsQueue } from "../../../shared/queues/sqs-queue.js";
import { FauxqsPoller, type PolledQueue } from "./fauxqs-poller.js";
import { TRACE_HEADER } from "./invocation-chain.js";

export interface CreatedQueue {
  readonly url: string;
  readonly arn: string;
}

export interface SqsServer {
  readonly endpoint: string;
  readonly client: SQSClient;
  createQueue(name: string, attributes: Readonly<Record<string, string>>): Promise<CreatedQueue>;
  /** A queue as an event source accesses it. */
  poll(url: string): PolledQueue;
  close(): Promise<void>;
}

/**
 * Starts an SQS emulator on the loopback interface; the emulator's own command would listen on all
 * interfaces.
 */
export async function startSqsServer(): Promise<SqsServer> {
  const app = buildApp({ logger: false });
  app.addHook("preHandler", async ({ headers, body }) => keepTrace(headers["x-amzn-trace-id"], body));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const server = connectToSqs(endpoint);
  return {
    ...server,
    poll: (url) => new FauxqsPoller(app, url),
    async close() {
      await server.close();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

/**
 * Stores the trace header of the sending call as a message attribute; SQS does this itself, fauxqs does not.
 */
function keepTrace(header: unknown, body: unknown): void {
  if (typeof header !== "string") return;
  const { Entries = [] } = body as { readonly Entries?: readonly { MessageAttributes?: object }[] };
  for (const entry of Entries)
    entry.MessageAttributes = { [TRACE_HEADER]: { DataType: "String", StringValue: header } };
}

/** Connects to a running SQS server. */
export function connectToSqs(endpoint: string): SqsServer {
  const client = new SQSClient({
    endpoint,
    region: "us-east-1",
    // An emulator may use a host name in queue URLs that only its own resolver knows.
    useQueueUrlAsEndpoint: false,
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  return {
    endpoint,
    client,
    async createQueue(name, attributes) {
      const creation = new CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
      const { QueueUrl = "" } = await client.send(creation);
      // Each emulator uses another account id in the ARNs of queues.
      const question = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] });
      const { Attributes } = await client.send(question);
      return { url: QueueUrl, arn: Attributes?.QueueArn ?? "" };
    },
    poll: (url) => new SqsQueue({ client, url }),
    async close() {
      client.destroy();
    },
  };
}
