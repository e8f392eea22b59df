import { randomUUID } from "node:crypto";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { FleetServers } from "../emulated/aws/fleet-servers.js";

/** Creates a bucket on a third-party server. */
export async function createBucket(endpoint: string): Promise<Pick<FleetServers, "s3" | "bucket">> {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  const bucket = `opinion-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return { s3: { endpoint, client, close: async () => client.destroy() }, bucket };
}
