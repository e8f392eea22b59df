import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";

export interface CloudFormationServer {
  readonly endpoint: string;
  readonly client: CloudFormationClient;
  close(): Promise<void>;
}

/** An emulator of CloudFormation's DescribeStacks as an HTTP server on the loopback interface. */
export async function startCloudFormationServer(
  stacks: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Promise<CloudFormationServer> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const query = new URLSearchParams(Buffer.concat(chunks).toString());
    const name = query.get("StackName") ?? "";
    const outputs = stacks.get(name);
    const isKnown = query.get("Action") === "DescribeStacks" && outputs !== undefined;
    response.writeHead(isKnown ? 200 : 400, { "content-type": "text/xml" });
    response.end(isKnown ? describe(name, outputs) : refuse(`Stack with id ${name} does not exist`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new CloudFormationClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  return {
    endpoint,
    client,
    async close() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/";

function describe(name: string, outputs: Readonly<Record<string, string>>): string {
  const members = Object.entries(outputs).map(
    ([key, value]) =>
      `<member><OutputKey>${key}</OutputKey><OutputValue>${toXml(value)}</OutputValue></member>`,
  );
  return (
    `<DescribeStacksResponse xmlns="${NAMESPACE}"><DescribeStacksResult><Stacks><member>` +
    `<StackName>${toXml(name)}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>` +
    `<CreationTime>2026-01-01T00:00:00.000Z</CreationTime><Outputs>${members.join("")}</Outputs>` +
    `</member></Stacks></DescribeStacksResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>` +
    `</DescribeStacksResponse>`
  );
}

function refuse(message: string): string {
  return (
    `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>ValidationError</Code>` +
    `<Message>${toXml(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>`
  );
}

function toXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
