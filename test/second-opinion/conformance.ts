import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import { connectToSqs } from "../emulated/aws/sqs-server.js";
import { describeFifoQueue, describeStandardQueue } from "../queues/queue-conformance.js";
import { openSqsQueue } from "../queues/sqs-queue-under-test.js";
import { describeObjectStore } from "../storage/object-store-conformance.js";
import { createBucket } from "./create-bucket.js";

/**
 * Runs the conformance suites of the S3 and SQS adapters against third-party servers, outside `npm test`:
 * start moto_server or ElasticMQ and set AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS to their addresses.
 */
const { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint } = process.env;

if (s3Endpoint !== undefined) {
  describeObjectStore("S3, second opinion", async () => {
    const { s3, bucket } = await createBucket(s3Endpoint);
    return new S3ObjectStore({ client: s3.client, bucket });
  });
}

if (sqsEndpoint !== undefined) {
  const server = connectToSqs(sqsEndpoint);
  describeStandardQueue("SQS, second opinion", () => openSqsQueue(server, "standard"));
  describeFifoQueue("SQS, second opinion", () => openSqsQueue(server, "fifo"));
}
