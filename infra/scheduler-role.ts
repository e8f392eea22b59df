import { Stack } from "aws-cdk-lib";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import type { Construct } from "constructs";

export const SCHEDULER_SERVICE = "scheduler.amazonaws.com";

/** A role without permissions that EventBridge Scheduler may assume only for schedules of this group. */
export function createSchedulerRole(scope: Construct, group: ScheduleGroup): Role {
  return new Role(scope, "Role", {
    assumedBy: new ServicePrincipal(SCHEDULER_SERVICE, {
      // Prevents use by other accounts' schedules (confused deputy).
      conditions: {
        StringEquals: {
          "aws:SourceAccount": Stack.of(scope).account,
          "aws:SourceArn": group.scheduleGroupArn,
        },
      },
    }),
  });
}
