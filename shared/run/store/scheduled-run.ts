import * as z from "zod";
import type { ObjectStore } from "../../storage/object-store.js";
import { MESSAGE_VERSION } from "../protocol/messages.js";
import { type RunRequest, runRequestSchema } from "../protocol/request.js";
import { getBounded } from "./bounded-record.js";
import { DamagedRecordError } from "./damaged-record.js";
import { type WorkloadDocument, workloadDocumentSchema } from "./workload-document.js";

/**
 * Maximum size in bytes of a stored schedule: a workload document plus a request, which is small enough for a
 * message.
 */
const MAX_DOCUMENT_BYTES = 16 * 2 ** 20;
/** Maximum length of a schedule's name: with the time appended it must still be a valid run id. */
const MAX_SCHEDULE_NAME = 47;
export const scheduleNameSchema = z
  .string()
  .regex(new RegExp(`^[A-Za-z0-9][A-Za-z0-9_-]{0,${MAX_SCHEDULE_NAME - 1}}$`));

/** Message that a schedule sends each time that a run of it is due, in the message group of its own name. */
export const runScheduledSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("RunScheduled"),
  schedule: scheduleNameSchema,
  /** The time at which the run was due; equal in repeated deliveries. */
  scheduledTime: z.iso.datetime(),
});
export type RunScheduled = Readonly<z.infer<typeof runScheduledSchema>>;

/** What each run of a schedule is made from: a workload, and a request whose run id and time are replaced. */
export interface ScheduledRun {
  readonly request: RunRequest;
  readonly workload: WorkloadDocument;
}

const scheduledRunSchema = z.strictObject({
  version: z.literal(1),
  request: runRequestSchema,
  workload: workloadDocumentSchema,
});

export const scheduledRunKey = (schedule: string): string => `schedules/${schedule}.json`;

/**
 * The id of a schedule's run: its name and the time at which it was due, such as "nightly-20261123T030000Z".
 */
export function scheduledRunId({ schedule, scheduledTime }: RunScheduled): string {
  return `${schedule}-${new Date(scheduledTime).toISOString().replace(/[-:]|\.\d+/g, "")}`;
}

/**
 * Stores what the runs of a schedule are made from.
 *
 * @throws PreconditionFailedError if a schedule of this name exists
 */
export async function writeScheduledRun(
  store: ObjectStore,
  schedule: string,
  run: ScheduledRun,
): Promise<void> {
  const checked = scheduledRunSchema.parse({ version: 1, ...run });
  await store.put(scheduledRunKey(schedule), Buffer.from(JSON.stringify(checked)), { ifNoneMatch: true });
}

/**
 * Reads what the runs of a schedule are made from.
 *
 * @returns `undefined` if there is no such schedule
 * @throws DamagedRecordError if it is not what this version writes
 */
export async function readScheduledRun(
  store: ObjectStore,
  schedule: string,
): Promise<ScheduledRun | undefined> {
  const key = scheduledRunKey(schedule);
  const stored = await getBounded(store, key, MAX_DOCUMENT_BYTES);
  if (stored === undefined) return undefined;
  try {
    const { request, workload } = scheduledRunSchema.parse(JSON.parse(Buffer.from(stored.body).toString()));
    return { request: request as RunRequest, workload };
  } catch (error) {
    throw new DamagedRecordError(key, "does not have the shape that this version writes", { cause: error });
  }
}
