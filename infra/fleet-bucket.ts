import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import type { IKey } from "aws-cdk-lib/aws-kms";
import { CfnFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import { BlockPublicAccess, Bucket, BucketEncryption } from "aws-cdk-lib/aws-s3";
import type { CfnResource } from "aws-cdk-lib/core";
import { Construct } from "constructs";
import { suppressBucketRules } from "./nag-suppressions.js";

export interface FleetBucketProps {
  readonly encryptionKey: IKey | undefined;
  readonly removalPolicy: RemovalPolicy;
  readonly logRetention: RetentionDays;
}

/** A private, encrypted bucket; with RemovalPolicy.DESTROY it is emptied and deleted with the stack. */
export class FleetBucket extends Construct {
  readonly bucket: Bucket;

  constructor(
    scope: Construct,
    id: string,
    { encryptionKey, removalPolicy, logRetention }: FleetBucketProps,
  ) {
    super(scope, id);
    const isRemoved = removalPolicy === RemovalPolicy.DESTROY;
    this.bucket = new Bucket(this, "Resource", {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      ...(encryptionKey === undefined
        ? { encryption: BucketEncryption.S3_MANAGED }
        : { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy,
      autoDeleteObjects: isRemoved,
    });
    suppressBucketRules(this.bucket);
    if (isRemoved) this.#addLogGroupOfEmptying(logRetention);
  }

  /**
   * Gives CDK's function that empties buckets, of which a stack has one, a log group of the stack. Otherwise
   * the function would create a log group itself, which would remain after the stack is deleted.
   */
  #addLogGroupOfEmptying(retention: RetentionDays): void {
    const stack = Stack.of(this);
    const provider = stack.node.tryFindChild("Custom::S3AutoDeleteObjectsCustomResourceProvider");
    const emptying = provider?.node.tryFindChild("Handler") as CfnResource | undefined;
    if (emptying?.cfnResourceType !== CfnFunction.CFN_RESOURCE_TYPE_NAME)
      throw new Error(
        "CDK's function that empties buckets is not where it was; its log would be left behind.",
      );
    const id = "EmptyingLog";
    if (stack.node.tryFindChild(id) !== undefined) return;
    const log = new LogGroup(stack, id, { retention, removalPolicy: RemovalPolicy.DESTROY });
    emptying.addPropertyOverride("LoggingConfig", { LogGroup: log.logGroupName });
  }
}
