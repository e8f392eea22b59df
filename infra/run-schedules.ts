import { RemovalPolicy } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import { ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import { Construct } from "constructs";
import type { FleetQueue } from "./fleet-queues.js";
import { suppressKeyWildcards } from "./nag-suppressions.js";
import { createSchedulerRole } from "./scheduler-role.js";

/**
 * The group of the fleet's schedules, deleted with all its members, and the role of those schedules that the
 * commands add to start runs; the role may send messages to the coordinator's queue.
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
    // Dead letters of the schedules go to the jobs' dead-letter queue, because they cannot go to a FIFO
    // queue.
    jobs.deadLetters.grantSendMessages(this.role);
    suppressKeyWildcards(this.role);
  }
}
