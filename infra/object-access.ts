import { PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { acknowledgeKey, acknowledgeObjects } from "./nag-suppressions.js";

/** Patterns of keys. */
export interface ObjectAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly remove?: readonly string[];
}

/** Lets a role at objects below prefixes, with single actions. */
export function grantObjects(role: Role, bucket: IBucket, { read, write, remove = [] }: ObjectAccess): void {
  const objects = (patterns: readonly string[]): string[] =>
    patterns.map((pattern) => bucket.arnForObjects(pattern));
  // Without it S3 answers for an object that is not there as for one that is not allowed.
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
  acknowledgeObjects(role, bucket, new Set([...read, ...write, ...remove]));
  bucket.encryptionKey?.grantEncryptDecrypt(role);
  acknowledgeKey(role);
}
