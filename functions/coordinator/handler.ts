import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import * as z from "zod";
import { safeguard } from "../../shared/basics/safeguard.js";
import type { Queue } from "../../shared/queues/queue.js";
import { eventSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/protocol/messages.js";
import { type RunAnnounced, runAnnouncedSchema } from "../../shared/run/protocol/run-announced.js";
import { DamagedRecordError } from "../../shared/run/store/damaged-record.js";
import { type RunScheduled, runScheduledSchema } from "../../shared/run/store/scheduled-run.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { readMessage, sendToDeadLetters, UnreadableMessageError } from "../incoming-message.js";
import { describeError, type Log } from "../log.js";
import { METRIC } from "../metric-names.js";
import { answerBatch } from "../partial-batch.js";
import { redeliverWithBackoff } from "../redelivery.js";
import type { TICK_INPUT } from "../schedule-names.js";
import { ActiveRuns } from "./active-runs.js";
import { RunCoordinators, type RunCoordinatorsOptions } from "./run-coordinators.js";
import { startScheduledRun } from "./start-scheduled-run.js";
import type { TickSwitch } from "./tick-switch.js";

export interface CoordinatorHandlerOptions extends RunCoordinatorsOptions {
  readonly store: ObjectStore;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly log: Log;
  readonly tick: TickSwitch;
}

export type CoordinatorHandler = (event: SQSEvent | typeof TICK_INPUT) => Promise<SQSBatchResponse>;

const messageSchema = z.discriminatedUnion("type", [
  ...eventSchema.options,
  runScheduledSchema,
  runAnnouncedSchema,
]);

/**
 * The handler of the coordinator function, behind the queue `events.fifo`. The events of each run in a batch
 * are handled together with one save, and a run that fails does not delay others. When the Tick's schedule
 * invokes the function, it sends a Tick to each run that has not ended, through the same queue, so that only
 * one coordinator at a time handles a run. Scheduled runs are requested through the queue as well.
 */
export function createCoordinatorHandler(options: CoordinatorHandlerOptions): CoordinatorHandler {
  const { store, events, now, metrics, billedTime } = options;
  const active = new ActiveRuns(store, options.tick);
  const coordinators = new RunCoordinators(options, active);
  const handle: CoordinatorHandler = async (event) => {
    if (!("Records" in event)) {
      await sendTicks(events, await active.listForTick(), now());
      return { batchItemFailures: [] };
    }
    const { runs, due, announced, unrefused } = await readBatch(event.Records, options);
    const failed = new Set<SQSRecord>(unrefused);
    for (const { parallel } of announced) await coordinators.startEvaluators({ parallel });
    for (const { record, message } of due)
      if (!(await startDueRun(record, message, options))) failed.add(record);
    for (const [runId, received] of runs) {
      const outcome = await coordinators.handleEvents(
        runId,
        received.map(({ message }) => message),
      );
      for (const { record } of received) {
        if (outcome === "failed") failed.add(record);
        else if (outcome !== "handled" && !(await refuse(record, outcome.refused, options)))
          failed.add(record);
      }
    }
    await Promise.all([...failed].map((record) => redeliverWithBackoff(events, record)));
    metrics.publish();
    return answerBatch(event, async (record) => !failed.has(record));
  };
  return billedTime === undefined ? handle : (event) => billedTime.during(() => handle(event));
}

interface Received<Message> {
  readonly record: SQSRecord;
  readonly message: Message;
}

interface Batch {
  /** Events of runs by run id, in the order of the queue. */
  readonly runs: ReadonlyMap<string, readonly Received<RunEvent>[]>;
  /** Messages that say that a schedule's run is due. */
  readonly due: readonly Received<RunScheduled>[];
  /** Announcements of runs whose request follows once their model and data are uploaded. */
  readonly announced: readonly RunAnnounced[];
  /**
   * Invalid messages that could not be moved to the dead-letter queue, so that their queue must redeliver
   * them.
   */
  readonly unrefused: readonly SQSRecord[];
}

/** Returns the messages of a batch by kind; invalid ones are moved to the dead-letter queue. */
async function readBatch(
  records: readonly SQSRecord[],
  options: Pick<CoordinatorHandlerOptions, "deadLetters" | "log" | "metrics">,
): Promise<Batch> {
  const runs = new Map<string, Received<RunEvent>[]>();
  const due: Received<RunScheduled>[] = [];
  const announced: RunAnnounced[] = [];
  const unrefused: SQSRecord[] = [];
  for (const record of records) {
    try {
      const message = readMessage(messageSchema, record);
      requireGroup(record, message.type === "RunScheduled" ? message.schedule : message.runId);
      if (message.type === "RunScheduled") {
        due.push({ record, message });
        continue;
      }
      if (message.type === "RunAnnounced") {
        announced.push(message);
        continue;
      }
      const received = runs.get(message.runId) ?? [];
      received.push({ record, message: sentAt(message, record) });
      runs.set(message.runId, received);
    } catch (error) {
      if (!(error instanceof UnreadableMessageError)) throw error;
      if (!(await refuse(record, error.message, options))) unrefused.push(record);
    }
  }
  return { runs, due, announced, unrefused };
}

/** Types of the events that users' programs send; all others come from the fleet's own functions. */
const FROM_OUTSIDE: readonly RunEvent["type"][] = ["RunRequested", "RunResumed", "CancelRequested"];

/**
 * Returns the event, with the queue's timestamp in place of the sender's if a user's program sent it. Users'
 * clocks may be wrong: if one is slow, a run's first jobs would be overdue at once; if one is fast, no
 * deadline would pass until the true time has caught up. The fleet's own events have AWS's time.
 */
function sentAt(event: RunEvent, { attributes }: SQSRecord): RunEvent {
  const isFromOutside = FROM_OUTSIDE.includes(event.type) && safeguard("queue-timestamps");
  return isFromOutside ? { ...event, at: Number(attributes.SentTimestamp) } : event;
}

function requireGroup({ attributes }: SQSRecord, own: string): void {
  if (attributes.MessageGroupId !== own)
    throw new UnreadableMessageError(`it is in the group of another run than its own, ${own}`);
}

/**
 * Requests the run that a schedule's message says is due.
 *
 * @returns whether the message can be acknowledged
 */
async function startDueRun(
  record: SQSRecord,
  due: RunScheduled,
  options: CoordinatorHandlerOptions,
): Promise<boolean> {
  const { log } = options;
  const { schedule } = due;
  try {
    const runId = await startScheduledRun(options, due);
    if (runId === undefined) return await refuse(record, `there is no schedule ${schedule}`, options);
    log.info("scheduled run asked for", { schedule, runId });
    return true;
  } catch (error) {
    if (error instanceof DamagedRecordError) return refuse(record, error.message, options);
    log.error("scheduled run not asked for", { schedule, reason: describeError(error), error });
    return false;
  }
}

/**
 * Moves a message to the dead-letter queue. If that fails, the message alone is redelivered by its queue.
 *
 * @returns whether the message can be acknowledged
 */
async function refuse(
  record: SQSRecord,
  reason: string,
  { deadLetters, log, metrics }: Pick<CoordinatorHandlerOptions, "deadLetters" | "log" | "metrics">,
): Promise<boolean> {
  try {
    await sendToDeadLetters(deadLetters, log, record, reason);
  } catch (error) {
    log.error("message not moved to the dead-letter queue", {
      messageId: record.messageId,
      reason: describeError(error),
      error,
    });
    return false;
  }
  metrics.add(METRIC.messagesRefused, 1);
  return true;
}

async function sendTicks(events: Queue, runs: readonly string[], at: number): Promise<void> {
  await events.send(
    runs.map((runId) => ({
      body: JSON.stringify({ version: MESSAGE_VERSION, type: "Tick", runId, at }),
      group: runId,
      deduplication: `tick/${runId}/${at}`,
    })),
  );
}
