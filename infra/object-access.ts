import { PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { suppressKeyWildcards, suppressObjectWildcards } from "./nag-suppressions.js";

/** Key patterns of the bucket's objects that a role may read, write and remove. */
export interface ObjectAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly remove?: readonly string[];
}

/** Grants a role exactly the S3 actions that it needs to read, write and remove these objects. */
export function grantObjects(role: Role, bucket: IBucket, { read, write, remove = [] }: ObjectAccess): void {
  const objects = (patterns: readonly string[]): string[] =>
    patterns.map((pattern) => bucket.arnForObjects(pattern));
  // Without this permission S3 answers 403 instead of 404 for a missing object.
  role.addToPolicy(new PolicyStatement({ actions: ["s3:ListBucket"], resources: [bucket.bucketArn] }));
  role.addToPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources: objects(read) }));
  role.addToPolicy(
    new PolicyStatement({
      actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
      resources: objects(write),
    }),
  );
  if (remove.length > 0)
    role.addToPolicy(new PolicyStatement({ actions: ["s3:DeleteObject"], resources: objects(remove) }));
  suppressObjectWildcards(role, bucket, new Set([...read, ...write, ...remove]));
  bucket.encryptionKey?.grantEncryptDecrypt(role);
  suppressKeyWildcards(role);
}
