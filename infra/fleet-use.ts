import { Stack } from "aws-cdk-lib";
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { RUN_SCHEDULE_PREFIX } from "../functions/schedule-names.js";
import type { FleetQueue } from "./fleet-queues.js";
import type { RunSchedules } from "./run-schedules.js";
import { SCHEDULER_SERVICE } from "./scheduler-role.js";

export interface FleetInUse {
  readonly bucket: IBucket;
  readonly events: FleetQueue;
  readonly schedules: RunSchedules;
}

/** Grants the permissions that the commands, and programs that use the API, need to use a fleet. */
export function grantFleetUse(grantee: IGrantable, { bucket, events, schedules }: FleetInUse): void {
  const stack = Stack.of(schedules);
  const allow = (actions: readonly string[], resourceArns: readonly string[], conditions = {}): void =>
    void Grant.addToPrincipal({
      grantee,
      actions: [...actions],
      resourceArns: [...resourceArns],
      conditions,
    });
  const objects = (...prefixes: readonly string[]): readonly string[] =>
    prefixes.map((prefix) => bucket.arnForObjects(`${prefix}/*`));
  allow(["cloudformation:DescribeStacks"], [stack.stackId]);
  // Without this permission S3 answers 403 instead of 404 for a missing object.
  allow(["s3:ListBucket"], [bucket.bucketArn]);
  allow(["s3:GetObject"], objects("models", "data", "restored", "runs", "schedules", "statistics"));
  allow(
    ["s3:PutObject", "s3:AbortMultipartUpload"],
    [
      // Statistics are included because those for channel alignment (an algorithm that rewrites the float
      // model) are gathered by the first program that needs them.
      ...objects("models", "data", "restored", "schedules", "statistics"),
      // Rows (per-sample scores) of an earlier run in a local folder, when a new run begins with its trials.
      ...objects("runs/*/scores"),
      bucket.arnForObjects("runs/*/workload.json"),
    ],
  );
  allow(["s3:DeleteObject"], objects("schedules"));
  bucket.encryptionKey?.grantEncryptDecrypt(grantee);
  events.queue.grantSendMessages(grantee);
  const schedule = stack.formatArn({
    service: "scheduler",
    resource: "schedule",
    resourceName: `${schedules.group.scheduleGroupName}/${RUN_SCHEDULE_PREFIX}*`,
  });
  allow(["scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:DeleteSchedule"], [schedule]);
  // This action has no resource type in IAM.
  allow(["scheduler:ListSchedules"], ["*"]);
  allow(["iam:PassRole"], [schedules.role.roleArn], {
    StringEquals: { "iam:PassedToService": SCHEDULER_SERVICE },
  });
}
