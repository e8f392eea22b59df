import { RemovalPolicy } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import { ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import { Construct } from "constructs";
import type { FleetQueue } from "./fleet-queues.js";
import { acknowledgeKey } from "./nag-suppressions.js";
import { createSchedulerRole } from "./scheduler-role.js";

/**
 * The group of the fleet's schedules, which goes with all that is in it, and what the schedules that the commands add
 * to it may do: send the coordinator a message.
 */
export class RunSchedules extends Construct {
  readonly group: ScheduleGroup;
  readonly role: Role;

  constructor(
    scope: Construct,
    id: string,
    { events, jobs }: { readonly events: FleetQueue; readonly jobs: FleetQueue },
  ) {
    super(scope, id);
    this.group = new ScheduleGroup(this, "Group", { removalPolicy: RemovalPolicy.DESTROY });
    this.role = createSchedulerRole(this, this.group);
    events.queue.grantSendMessages(this.role);
    // What could not be sent; a first-in-first-out queue cannot take it.
    jobs.deadLetters.grantSendMessages(this.role);
    acknowledgeKey(this.role);
  }
}
