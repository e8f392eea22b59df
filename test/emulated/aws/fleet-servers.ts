import type { S3Client } from "@aws-sdk/client-s3";
import { type IsAllowed, type S3Server, startS3Server } from "./s3-server.js";
import { type SqsServer, startSqsServer } from "./sqs-server.js";

/** Queues and objects of a fleet, whosever servers they are on. */
export interface FleetServers {
  readonly sqs: SqsServer;
  readonly s3: {
    readonly endpoint: string;
    readonly client: S3Client;
    /** Where the server can tell its callers apart. */
    restrict?(isAllowed: IsAllowed): void;
    close(): Promise<void>;
  };
  /** A bucket that is there. */
  readonly bucket: string;
}

/** The servers that `npm test` has: fauxqs, and one of the project's own for S3. */
export async function startFleetServers(): Promise<FleetServers & { readonly s3: S3Server }> {
  const [sqs, s3] = await Promise.all([startSqsServer(), startS3Server()]);
  return { sqs, s3, bucket: "emulated" };
}
