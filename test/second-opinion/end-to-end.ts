import type { FleetServers } from "../emulated/aws/fleet-servers.js";
import { connectToSqs } from "../emulated/aws/sqs-server.js";
import { describeFleet } from "../emulated/fleet-conformance.js";
import { describeKilledEvaluators } from "../emulated/killed-evaluators-conformance.js";
import { createBucket } from "./create-bucket.js";

/**
 * The end-to-end runs of test/emulated over servers of S3 and SQS that are none of the project's own, outside
 * `npm test`: name them by AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS (docs/fleet.md).
 */
const { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint } = process.env;

if (s3Endpoint === undefined || sqsEndpoint === undefined)
  throw new Error("Set AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS to the servers that are to be asked.");

const servers = `${s3Endpoint} (S3) and ${sqsEndpoint} (SQS)`;
const connect = async (): Promise<FleetServers> => ({
  ...(await createBucket(s3Endpoint)),
  sqs: connectToSqs(sqsEndpoint),
});
describeFleet(servers, connect);
describeKilledEvaluators(servers, connect);
