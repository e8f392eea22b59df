import { S3Client } from "@aws-sdk/client-s3";
import { S3ObjectStore } from "../shared/storage/s3-store.js";

/** A store by itself, as threads load nothing that they do not use. */
export function openStore(bucket: string): S3ObjectStore {
  return new S3ObjectStore({ client: new S3Client({}), bucket });
}
