import { RemovalPolicy } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import { ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import { Construct } from "constructs";
import type { FleetQueue } from "./fleet-queues.js";
import { suppressKeyWildcards } from "./nag-suppressions.js";
import { createSchedulerRole } from "./scheduler-role.js";

/**
 * The group of the fleet's schedules, deleted with all its members, and the role of the schedules that the
 * commands add to it, which may send messages to the coordinator.
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
    // For messages that could not be sent; a FIFO queue cannot receive them.
    jobs.deadLetters.grantSendMessages(this.role);
    suppressKeyWildcards(this.role);
  }
}
