import { Stack } from "aws-cdk-lib";
import { PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import { CfnSchedule, type ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { TICK_INPUT, TICK_SCHEDULE } from "../functions/schedule-names.js";
import type { FleetFunction } from "./fleet-function.js";
import { suppressKeyWildcards } from "./nag-suppressions.js";
import { createSchedulerRole, SCHEDULER_SERVICE } from "./scheduler-role.js";

const EVERY_MINUTE = "rate(1 minute)";
/**
 * Seconds after which an undelivered Tick (event to check deadlines) is dropped; the next one comes in a
 * minute.
 */
const MAX_AGE_SECONDS = 60;
const RETRIES = 2;

export interface TickScheduleProps {
  readonly group: ScheduleGroup;
  readonly coordinator: FleetFunction;
  readonly deadLetters: IQueue;
}

/**
 * The schedule that makes the coordinator send a Tick (an event to check deadlines) to each active run every
 * minute. It is created disabled. The coordinator may only enable and disable it, with the first active run
 * and after the last.
 */
export class TickSchedule extends Construct {
  constructor(scope: Construct, id: string, { group, coordinator, deadLetters }: TickScheduleProps) {
    super(scope, id);
    const role = createSchedulerRole(this, group);
    role.addToPolicy(
      new PolicyStatement({
        actions: ["lambda:InvokeFunction"],
        resources: [coordinator.function.functionArn],
      }),
    );
    deadLetters.grantSendMessages(role);
    suppressKeyWildcards(role);
    new CfnSchedule(this, "Schedule", {
      name: TICK_SCHEDULE,
      groupName: group.scheduleGroupName,
      description: "Has the coordinator look at the deadlines of the runs that have not ended.",
      scheduleExpression: EVERY_MINUTE,
      flexibleTimeWindow: { mode: "OFF" },
      state: "DISABLED",
      target: {
        arn: coordinator.function.functionArn,
        roleArn: role.roleArn,
        input: JSON.stringify(TICK_INPUT),
        retryPolicy: { maximumEventAgeInSeconds: MAX_AGE_SECONDS, maximumRetryAttempts: RETRIES },
        deadLetterConfig: { arn: deadLetters.queueArn },
      },
    });
    this.#grantSwitching(coordinator.role, role, group);
  }

  /**
   * Grants the coordinator to enable and disable the Tick's schedule. An update repeats the whole schedule
   * including its role, hence the permission to pass the role.
   */
  #grantSwitching(coordinator: Role, role: Role, group: ScheduleGroup): void {
    const schedule = Stack.of(this).formatArn({
      service: "scheduler",
      resource: "schedule",
      resourceName: `${group.scheduleGroupName}/${TICK_SCHEDULE}`,
    });
    coordinator.addToPolicy(
      new PolicyStatement({
        actions: ["scheduler:GetSchedule", "scheduler:UpdateSchedule"],
        resources: [schedule],
      }),
    );
    coordinator.addToPolicy(
      new PolicyStatement({
        actions: ["iam:PassRole"],
        resources: [role.roleArn],
        conditions: { StringEquals: { "iam:PassedToService": SCHEDULER_SERVICE } },
      }),
    );
  }
}
