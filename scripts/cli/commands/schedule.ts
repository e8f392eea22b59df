import { UsageError } from "../../../shared/basics/errors.js";
import type { ScheduleOptions } from "../../fleet/index.js";
import { EXIT } from "./exit-code.js";
import { earlierRun, type FromArguments, reportSubmission } from "./fleet.js";

/** Imports on demand, because the AWS SDK takes longer to load than everything else. */
const load = () => import("../../fleet/index.js");

export interface ScheduleArguments
  extends Omit<ScheduleOptions, "onEstimate" | "onUpload" | "onNotice" | "from">,
    FromArguments {
  readonly stack: string;
  /** Times of runs: six cron fields of EventBridge Scheduler, without the parentheses. */
  readonly cron?: string;
  /** Interval between runs: a number and a unit, such as "12 hours". */
  readonly rate?: string;
  readonly timeZone?: string;
}

export async function runScheduleAdd(
  config: string,
  { stack, cron, rate, timeZone, fromRun, fromFolder, ...options }: ScheduleArguments,
): Promise<number> {
  if ((cron === undefined) === (rate === undefined))
    throw new UsageError(
      `A schedule needs --cron or --rate, and ${cron === undefined ? "has neither" : "has both"}; give one of them.`,
    );
  const { addSchedule, connectSchedules } = await load();
  const expression = cron === undefined ? `rate(${rate})` : `cron(${cron})`;
  const name = await addSchedule(
    await connectSchedules(stack),
    config,
    { expression, ...(timeZone === undefined ? {} : { timeZone }) },
    { ...options, ...earlierRun({ fromRun, fromFolder }), ...reportSubmission },
  );
  process.stdout.write(`${name}\n`);
  return EXIT.done;
}

/** Prints one line per schedule: name, expression and time zone. */
export async function runScheduleList({ stack }: { readonly stack: string }): Promise<number> {
  const { connectSchedules, listSchedules } = await load();
  for (const { name, expression, timeZone } of await listSchedules(await connectSchedules(stack)))
    process.stdout.write(`${name}\t${expression}\t${timeZone}\n`);
  return EXIT.done;
}

export async function runScheduleRemove(
  name: string,
  { stack }: { readonly stack: string },
): Promise<number> {
  const { connectSchedules, removeSchedule } = await load();
  await removeSchedule(await connectSchedules(stack), name);
  return EXIT.done;
}
