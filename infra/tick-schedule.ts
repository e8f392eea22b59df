import { Stack } from "aws-cdk-lib";
import { PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";
import { CfnSchedule, type ScheduleGroup } from "aws-cdk-lib/aws-scheduler";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { TICK_INPUT, TICK_SCHEDULE } from "../functions/schedule-names.js";
import type { FleetFunction } from "./fleet-function.js";
import { acknowledgeKey } from "./nag-suppressions.js";
import { createSchedulerRole, SCHEDULER_SERVICE } from "./scheduler-role.js";

const EVERY_MINUTE = "rate(1 minute)";
/** The next Tick comes in a minute. */
const AT_MOST_SECONDS = 60;
const RETRIES = 2;

export interface TickScheduleProps {
  readonly group: ScheduleGroup;
  readonly coordinator: FleetFunction;
  readonly deadLetters: IQueue;
}

/**
 * Lets deadlines pass: has the coordinator send each run that has not ended a Tick, every minute. It is made turned
 * off; the coordinator turns it on with the first run and off after the last, and may do nothing else to it.
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
    acknowledgeKey(role);
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
        retryPolicy: { maximumEventAgeInSeconds: AT_MOST_SECONDS, maximumRetryAttempts: RETRIES },
        deadLetterConfig: { arn: deadLetters.queueArn },
      },
    });
    this.#grantSwitching(coordinator.role, role, group);
  }

  /** An update says the whole schedule again, its role included, which is to be passed on therefore. */
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
