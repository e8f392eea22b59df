import {
  ConflictException,
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  type GetScheduleOutput,
  paginateListSchedules,
  ResourceNotFoundException,
  ValidationException,
} from "@aws-sdk/client-scheduler";
import { RUN_SCHEDULE_PREFIX } from "../../functions/schedule-names.js";
import { UsageError } from "../../shared/basics/errors.js";
import { MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import {
  scheduledRunKey,
  scheduleNameSchema,
  writeScheduledRun,
} from "../../shared/run/store/scheduled-run.js";
import { PreconditionFailedError } from "../../shared/storage/errors.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { S3ObjectStore } from "../../shared/storage/s3-store.js";
import type { ConfigurationSource } from "../api/configuration.js";
import type { ScheduleTarget } from "./deployment/fleet.js";
import { type SubmitOptions, uploadRun } from "./submission/submit.js";

/** When a scheduled run starts, as EventBridge Scheduler expresses it. */
export interface ScheduleTime {
  /** `cron(0 3 * * ? *)` or `rate(1 day)`; the commands take what is in the parentheses. */
  readonly expression: string;
  /** Time zone, for example "Europe/Berlin"; UTC when omitted. */
  readonly timeZone?: string;
}

export interface ScheduleOptions extends Omit<SubmitOptions, "runId"> {
  /**
   * Name of the schedule, with which the names of its runs begin; made from the configuration when omitted.
   */
  readonly name?: string;
}

export interface ListedSchedule extends ScheduleTime {
  readonly name: string;
}

/**
 * Creates a schedule that makes a fleet carry out a run repeatedly. Checks and uploads once, as `submit`;
 * every run uses what was uploaded then.
 *
 * @returns the schedule's name
 * @throws {ConfigurationError | ModelError | DataError | UsageError}
 */
export async function addSchedule(
  target: ScheduleTarget,
  source: ConfigurationSource,
  time: ScheduleTime,
  options: ScheduleOptions = {},
): Promise<string> {
  const { store, client, group } = target;
  const { name: given, ...run } = options;
  if (given !== undefined) requireName(given);
  const { document: workload, message } = await uploadRun(target, source, run);
  const name = given ?? message.runId;
  await write(store, name, { request: message.request, workload });
  try {
    await client.send(
      new CreateScheduleCommand({
        Name: `${RUN_SCHEDULE_PREFIX}${name}`,
        GroupName: group,
        ScheduleExpression: time.expression,
        ScheduleExpressionTimezone: time.timeZone ?? "UTC",
        FlexibleTimeWindow: { Mode: "OFF" },
        Target: targetOf(target, name),
      }),
    );
  } catch (error) {
    await store.delete(scheduledRunKey(name));
    throw translate(error, name, time);
  }
  return name;
}

/** Lists a fleet's schedules, sorted by name. */
export async function listSchedules({
  client,
  group,
}: Pick<ScheduleTarget, "client" | "group">): Promise<readonly ListedSchedule[]> {
  const listed: ListedSchedule[] = [];
  const pages = paginateListSchedules({ client }, { GroupName: group, NamePrefix: RUN_SCHEDULE_PREFIX });
  for await (const { Schedules = [] } of pages) {
    for (const { Name = "" } of Schedules) {
      // The list of schedules does not include their expressions, so each schedule is read.
      const known = await getSchedule(client, group, Name);
      // The schedule was removed by someone else since it was listed.
      if (known === undefined) continue;
      const { ScheduleExpression: expression = "", ScheduleExpressionTimezone: timeZone = "UTC" } = known;
      listed.push({ name: Name.slice(RUN_SCHEDULE_PREFIX.length), expression, timeZone });
    }
  }
  return listed;
}

async function getSchedule(
  client: ScheduleTarget["client"],
  group: string,
  name: string,
): Promise<GetScheduleOutput | undefined> {
  try {
    return await client.send(new GetScheduleCommand({ GroupName: group, Name: name }));
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

/**
 * Removes a schedule; runs that it has started continue.
 * @throws {UsageError} when there is no schedule of this name
 */
export async function removeSchedule(
  {
    client,
    group,
    store,
  }: Pick<ScheduleTarget, "client" | "group"> & { readonly store: Pick<ObjectStore, "delete"> },
  name: string,
): Promise<void> {
  requireName(name);
  try {
    await client.send(new DeleteScheduleCommand({ GroupName: group, Name: `${RUN_SCHEDULE_PREFIX}${name}` }));
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    // The document left by an interrupted `addSchedule` would otherwise keep the name from being used again.
    await store.delete(scheduledRunKey(name));
    throw new UsageError(`The fleet has no schedule "${name}"; see \`quantfleet schedule list\`.`, {
      cause: error,
    });
  }
  await store.delete(scheduledRunKey(name));
}

/**
 * Target of a schedule: the events queue, with a message in a group of the schedule's name. EventBridge
 * Scheduler allows only a fixed message group, so the coordinator requests the run in a group of its own. The
 * scheduled time distinguishes firings and is the same in repeated deliveries; an execution id would differ
 * with each attempt.
 */
function targetOf({ eventsArn, roleArn, deadLettersArn }: ScheduleTarget, name: string) {
  const message = {
    version: MESSAGE_VERSION,
    type: "RunScheduled",
    schedule: name,
    scheduledTime: "<aws.scheduler.scheduled-time>",
  };
  return {
    Arn: eventsArn,
    RoleArn: roleArn,
    Input: JSON.stringify(message),
    SqsParameters: { MessageGroupId: name },
    DeadLetterConfig: { Arn: deadLettersArn },
  };
}

function requireName(name: string): void {
  if (scheduleNameSchema.safeParse(name).success) return;
  throw new UsageError(
    `Schedule name "${name}" is none; use up to 47 letters, digits, "-" and "_", beginning with a letter or digit.`,
  );
}

async function write(
  store: S3ObjectStore,
  name: string,
  run: Parameters<typeof writeScheduledRun>[2],
): Promise<void> {
  try {
    await writeScheduledRun(store, name, run);
  } catch (error) {
    if (error instanceof PreconditionFailedError) throw nameTaken(name, error);
    throw error;
  }
}

function translate(error: unknown, name: string, { expression, timeZone }: ScheduleTime): unknown {
  if (error instanceof ConflictException) return nameTaken(name, error);
  if (!(error instanceof ValidationException)) return error;
  const zone = timeZone === undefined ? "" : ` in time zone "${timeZone}"`;
  return new UsageError(
    `EventBridge Scheduler does not take "${expression}"${zone} (${error.message.replace(/\.$/, "")}); give six cron fields such as "0 3 * * ? *", or a rate such as "1 day".`,
    { cause: error },
  );
}

function nameTaken(name: string, cause: unknown): UsageError {
  return new UsageError(
    `The fleet already has a schedule "${name}"; remove it first, or give another name.`,
    { cause },
  );
}
