import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

/** The stack's outputs. */
export interface StackOutputs {
  readonly bucket: string;
  readonly eventsUrl: string;
}

/**
 * Asks a fleet for a run of what `quantfleet submit CONFIG --documents FOLDER` has uploaded, under a name of its own
 * and with another seed. It needs the AWS SDK alone; the message's shape is docs/reference/schemas/run-requested.schema.json.
 */
export async function requestRun(
  folder: string,
  runId: string,
  seed: number,
  { bucket, eventsUrl }: StackOutputs,
): Promise<void> {
  const read = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
  const message = JSON.parse(await read("message.json")) as { request: Record<string, unknown> };
  const at = Date.now();
  const request = { ...message.request, runId, seed, requestedAt: at };
  // The workload document first, then the message: the coordinator looks for the document when it receives the message.
  await new S3Client({}).send(
    new PutObjectCommand({
      Bucket: bucket,
      Key: `runs/${runId}/workload.json`,
      Body: await read("workload.json"),
    }),
  );
  await new SQSClient({ useQueueUrlAsEndpoint: false }).send(
    new SendMessageCommand({
      QueueUrl: eventsUrl,
      MessageGroupId: runId,
      MessageDeduplicationId: `request/${runId}`,
      MessageBody: JSON.stringify({ ...message, runId, at, request }),
    }),
  );
}
