import type { AddressInfo } from "node:net";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { buildApp } from "fauxqs";

export interface SqsServer {
  readonly endpoint: string;
  readonly client: SQSClient;
  /** Creates a queue and returns its address. */
  createQueue(name: string, attributes: Readonly<Record<string, string>>): Promise<string>;
  close(): Promise<void>;
}

/** The account that the emulator puts into names and addresses. */
const ACCOUNT = "000000000000";
const REGION = "us-east-1";

export const queueArn = (name: string): string => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;

/** SQS on the loopback interface: the emulator's own command would listen on all of them. */
export async function startSqsServer(): Promise<SqsServer> {
  const app = buildApp({ logger: false });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new SQSClient({
    endpoint,
    region: REGION,
    // The emulator names queues by a host name that only its own resolver knows.
    useQueueUrlAsEndpoint: false,
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  return {
    endpoint,
    client,
    async createQueue(name, attributes) {
      const command = new CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
      const { QueueUrl = "" } = await client.send(command);
      return QueueUrl;
    },
    async close() {
      client.destroy();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}
