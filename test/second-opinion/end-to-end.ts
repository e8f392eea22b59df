import type { FleetServers } from "../emulated/aws/fleet-servers.js";
import { connectToSqs } from "../emulated/aws/sqs-server.js";
import { describeFleet } from "../emulated/fleet-conformance.js";
import { describeKilledEvaluators } from "../emulated/killed-evaluators-conformance.js";
import { createBucket } from "./create-bucket.js";

/**
 * Runs the end-to-end tests of test/emulated on third-party servers of S3 and SQS, outside `npm test`: set
 * AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS to their addresses.
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
