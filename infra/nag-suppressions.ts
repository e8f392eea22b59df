import { Stack, Validations } from "aws-cdk-lib";
import type { CfnBucket, IBucket } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";

/** Reasons why the fleet deliberately does not follow some rules of cdk-nag (a checker of CDK stacks). */
const REASONS = {
  accessLogs:
    "Only the fleet's roles and those whom the account lets reach the bucket; who needs a record of each request turns on CloudTrail data events or gives a bucket of their own.",
  objects:
    "A role reaches the objects below the few prefixes that it works on; their names are not known beforehand.",
  key: "KMS has several actions of this name, and grants for S3 and SQS need all of them; they hold for the one key.",
  lastQueue: "This is the dead-letter queue itself; its alarm tells somebody.",
  synchronous:
    "The function is invoked by its queue, whose dead-letter queue takes what fails; the schedule's target has one too.",
  source:
    "Failed messages stay in their queue, which moves them to its dead-letter queue after some deliveries.",
  tracing:
    "Each job and each batch of events leaves a line in the log with its run; traces would cost as much as short trials do.",
} as const;

function acknowledge(construct: Construct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: rule, reason });
}

export function suppressBucketRules(bucket: Construct): void {
  acknowledge(bucket, "AwsSolutions::AwsSolutions-S1", REASONS.accessLogs);
}

/**
 * Suppresses cdk-nag's findings of wildcards in the object keys that a role's policy names.
 *
 * @param patterns key patterns of the objects that the role may access
 */
export function suppressObjectWildcards(role: Construct, bucket: IBucket, patterns: Iterable<string>): void {
  const own = bucket.node.defaultChild as CfnBucket | undefined;
  const arn =
    own === undefined
      ? `arn:<AWS::Partition>:s3:::${bucket.bucketName}`
      : `<${Stack.of(role).resolve(own.logicalId) as string}.Arn>`;
  for (const pattern of patterns)
    acknowledge(role, `AwsSolutions::AwsSolutions-IAM5[Resource::${arn}/${pattern}]`, REASONS.objects);
}

export function suppressKeyWildcards(role: Construct): void {
  for (const action of ["kms:GenerateDataKey*", "kms:ReEncrypt*"])
    acknowledge(role, `AwsSolutions::AwsSolutions-IAM5[Action::${action}]`, REASONS.key);
}

export function suppressDeadLetterRules(queue: Construct): void {
  acknowledge(queue, "Serverless::Serverless-SQSRedrivePolicy", REASONS.lastQueue);
}

export function suppressFunctionRules(fleetFunction: Construct): void {
  acknowledge(fleetFunction, "Serverless::Serverless-LambdaDLQ", REASONS.synchronous);
  acknowledge(fleetFunction, "Serverless::Serverless-LambdaEventSourceMappingDestination", REASONS.source);
  acknowledge(fleetFunction, "Serverless::Serverless-LambdaTracing", REASONS.tracing);
}
