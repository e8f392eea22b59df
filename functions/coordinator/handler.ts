import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import * as z from "zod";
import type { Queue } from "../../shared/queues/queue.js";
import { eventSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/protocol/messages.js";
import { type RunAnnounced, runAnnouncedSchema } from "../../shared/run/protocol/run-announced.js";
import { DamagedRecordError } from "../../shared/run/store/damaged-record.js";
import { type RunScheduled, runScheduledSchema } from "../../shared/run/store/scheduled-run.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { buryMessage, readMessage, UnreadableMessageError } from "../incoming-message.js";
import { describeError, type Log } from "../log.js";
import { METRIC } from "../metric-names.js";
import { answerBatch } from "../partial-batch.js";
import { comeAgainSoon } from "../redelivery.js";
import type { TICK_INPUT } from "../schedule-names.js";
import { ActiveRuns } from "./active-runs.js";
import { RunCarriers, type RunCarriersOptions } from "./run-carriers.js";
import { startScheduledRun } from "./start-scheduled-run.js";
import type { TickSwitch } from "./tick-switch.js";

export interface CoordinatorHandlerOptions extends RunCarriersOptions {
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
 * The coordinator as a function behind `events.fifo`: what came of a run is handed over together, with one save,
 * and a run whose events cannot be carried now does not hold up another. The Tick's schedule sends each run
 * that has not ended a Tick, through the same queue, so that one coordinator at a time has a run; a schedule of
 * runs has one asked for, through the same queue, too.
 */
export function createCoordinatorHandler(options: CoordinatorHandlerOptions): CoordinatorHandler {
  const { store, events, now, metrics, billedTime } = options;
  const active = new ActiveRuns(store, options.tick);
  const carriers = new RunCarriers(options, active);
  const handle: CoordinatorHandler = async (event) => {
    if (!("Records" in event)) {
      await sendTicks(events, await active.heedTick(), now());
      return { batchItemFailures: [] };
    }
    const { runs, due, announced, unburied } = await readBatch(event.Records, options);
    const failed = new Set<SQSRecord>(unburied);
    for (const { parallel } of announced) await carriers.startEvaluators({ parallel });
    for (const { record, message } of due)
      if (!(await startDue(record, message, options))) failed.add(record);
    for (const [runId, received] of runs) {
      const outcome = await carriers.carry(
        runId,
        received.map(({ message }) => message),
      );
      for (const { record } of received) {
        if (outcome === "failed") failed.add(record);
        else if (outcome !== "carried" && !(await refuse(record, outcome.refused, options)))
          failed.add(record);
      }
    }
    await Promise.all([...failed].map((record) => comeAgainSoon(events, record)));
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
  /** Events by run, in their order. */
  readonly runs: ReadonlyMap<string, readonly Received<RunEvent>[]>;
  /** Runs of schedules that are due. */
  readonly due: readonly Received<RunScheduled>[];
  /** Runs that will be asked for. */
  readonly announced: readonly RunAnnounced[];
  /** What is no message, and could not be buried now. */
  readonly unburied: readonly SQSRecord[];
}

/** A batch's messages; what is none is buried. */
async function readBatch(
  records: readonly SQSRecord[],
  options: Pick<CoordinatorHandlerOptions, "deadLetters" | "log" | "metrics">,
): Promise<Batch> {
  const runs = new Map<string, Received<RunEvent>[]>();
  const due: Received<RunScheduled>[] = [];
  const announced: RunAnnounced[] = [];
  const unburied: SQSRecord[] = [];
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
      if (!(await refuse(record, error.message, options))) unburied.push(record);
    }
  }
  return { runs, due, announced, unburied };
}

/** What programs outside send. */
const FROM_OUTSIDE: readonly RunEvent["type"][] = ["RunRequested", "RunResumed", "CancelRequested"];

/**
 * Their clocks may be off by any time: by one that is behind, a run's first jobs would be overdue before anybody has them,
 * and by one that is ahead, no deadline would pass until then. What the fleet itself sends has AWS's time.
 */
function sentAt(event: RunEvent, { attributes }: SQSRecord): RunEvent {
  return FROM_OUTSIDE.includes(event.type) ? { ...event, at: Number(attributes.SentTimestamp) } : event;
}

function requireGroup({ attributes }: SQSRecord, own: string): void {
  if (attributes.MessageGroupId !== own)
    throw new UnreadableMessageError(`it is in the group of another run than its own, ${own}`);
}

/** @returns whether the message is done with */
async function startDue(
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
 * Buries a message. One that the dead-letter queue does not take now comes again by itself, and holds up nothing else of
 * its batch.
 *
 * @returns whether the message is done with
 */
async function refuse(
  record: SQSRecord,
  reason: string,
  { deadLetters, log, metrics }: Pick<CoordinatorHandlerOptions, "deadLetters" | "log" | "metrics">,
): Promise<boolean> {
  try {
    await buryMessage(deadLetters, log, record, reason);
  } catch (error) {
    log.error("message not buried", { messageId: record.messageId, reason: describeError(error), error });
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
