import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import {
  describeFifoQueue,
  describeStandardQueue,
  MAX_DELIVERIES,
  type QueueUnderTest,
  VISIBILITY_MILLISECONDS,
} from "../queues/queue-conformance.js";
import { describeObjectStore } from "../storage/object-store-conformance.js";

/**
 * The conformance suites of the S3 and SQS adapters against implementations that are none of the project's own, outside
 * `npm test`: start moto_server or ElasticMQ and name it by AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS (docs/fleet.md).
 */
const settings = {
  region: "us-east-1",
  credentials: { accessKeyId: "second", secretAccessKey: "opinion" },
};
const { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint } = process.env;

if (s3Endpoint !== undefined) {
  const client = new S3Client({ ...settings, endpoint: s3Endpoint, forcePathStyle: true });
  describeObjectStore("S3, second opinion", async () => {
    const bucket = `opinion-${randomUUID()}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    return new S3ObjectStore({ client, bucket });
  });
}

if (sqsEndpoint !== undefined) {
  const client = new SQSClient({ ...settings, endpoint: sqsEndpoint, useQueueUrlAsEndpoint: false });
  const create = async (name: string, attributes: Readonly<Record<string, string>>): Promise<string> => {
    const command = new CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
    return (await client.send(command)).QueueUrl ?? "";
  };
  const arnOf = async (url: string): Promise<string | undefined> => {
    const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
    return (await client.send(command)).Attributes?.QueueArn;
  };
  const open = async (kind: "standard" | "fifo"): Promise<QueueUnderTest> => {
    const name = randomUUID();
    const suffix = kind === "fifo" ? ".fifo" : "";
    const attributes = {
      VisibilityTimeout: String(VISIBILITY_MILLISECONDS / 1_000),
      ...(kind === "fifo" ? { FifoQueue: "true" } : {}),
    };
    const dead = await create(`${name}-dead${suffix}`, attributes);
    const redrive = { deadLetterTargetArn: await arnOf(dead), maxReceiveCount: MAX_DELIVERIES };
    const url = await create(`${name}${suffix}`, { ...attributes, RedrivePolicy: JSON.stringify(redrive) });
    return {
      queue: new SqsQueue({ client, url }),
      deadLetter: new SqsQueue({ client, url: dead }),
      pass: (milliseconds) => sleep(milliseconds),
    };
  };
  describeStandardQueue("SQS, second opinion", () => open("standard"));
  describeFifoQueue("SQS, second opinion", () => open("fifo"));
}
