import type { S3Client } from "@aws-sdk/client-s3";
import { type IsAllowed, type S3Server, startS3Server } from "./s3-server.js";
import { type SqsServer, startSqsServer } from "./sqs-server.js";

/** Servers with the queues and objects of a fleet, emulated or real. */
export interface FleetServers {
  readonly sqs: SqsServer;
  readonly s3: {
    readonly endpoint: string;
    readonly client: S3Client;
    /** Restricts callers to their permissions; absent where the server cannot identify callers. */
    restrict?(isAllowed: IsAllowed): void;
    close(): Promise<void>;
  };
  /** An existing bucket. */
  readonly bucket: string;
}

/** The servers of `npm test`: fauxqs for SQS, and the emulator of S3. */
export async function startFleetServers(): Promise<FleetServers & { readonly s3: S3Server }> {
  const [sqs, s3] = await Promise.all([startSqsServer(), startS3Server()]);
  return { sqs, s3, bucket: "emulated" };
}
