import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import type { Fleet } from "./submit.js";

/** A stack's outputs of the same names. */
export interface FleetOutputs {
  readonly bucket: string;
  readonly eventsUrl: string;
}

/** A deployed stack, reached with the credentials and region that the AWS SDK finds. */
export function connectFleet({ bucket, eventsUrl }: FleetOutputs): Fleet {
  const client = new SQSClient({ useQueueUrlAsEndpoint: false });
  return {
    store: new S3ObjectStore({ client: new S3Client({}), bucket }),
    events: new SqsQueue({ client, url: eventsUrl }),
  };
}
