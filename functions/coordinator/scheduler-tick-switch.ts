import { GetScheduleCommand, type SchedulerClient, UpdateScheduleCommand } from "@aws-sdk/client-scheduler";
import type { TickSwitch } from "./tick-switch.js";

export interface SchedulerTickSwitchOptions {
  readonly client: SchedulerClient;
  readonly group: string;
  readonly name: string;
}

/**
 * Enables and disables the Tick's schedule, which the stack created in EventBridge Scheduler and which
 * invokes the coordinator every minute.
 */
export class SchedulerTickSwitch implements TickSwitch {
  constructor(private readonly options: SchedulerTickSwitchOptions) {}

  turnOn(): Promise<void> {
    return this.#set("ENABLED");
  }

  turnOff(): Promise<void> {
    return this.#set("DISABLED");
  }

  async #set(State: "ENABLED" | "DISABLED"): Promise<void> {
    const { client, group, name } = this.options;
    const known = await client.send(new GetScheduleCommand({ GroupName: group, Name: name }));
    if (known.State === State) return;
    // An update replaces the whole schedule, so all its fields are repeated.
    const { Name, GroupName, Description, ScheduleExpression, ScheduleExpressionTimezone, Target } = known;
    const { FlexibleTimeWindow, KmsKeyArn } = known;
    await client.send(
      new UpdateScheduleCommand({
        Name,
        GroupName,
        Description,
        ScheduleExpression,
        ScheduleExpressionTimezone,
        FlexibleTimeWindow,
        KmsKeyArn,
        Target,
        State,
      }),
    );
  }
}
