import type { EventBridgeEvent, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { Queue } from "../../shared/queues/queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { eventSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/messages.js";
import { RecentlyUsed } from "../../shared/run/recently-used.js";
import type { Study } from "../../shared/run/study.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { BilledTime } from "../billed-time.js";
import { buryMessage, readMessage, UnreadableMessageError } from "../incoming-message.js";
import { describeError, type Log } from "../log.js";
import { answerBatch } from "../partial-batch.js";
import { ActiveRuns } from "./active-runs.js";

/** Runs whose metric and state stay in memory between invocations. */
const RUNS_IN_MEMORY = 16;

export interface CoordinatorHandlerOptions {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  /** Where collectors take statistics jobs from. */
  readonly statisticsJobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly log: Log;
  readonly now: () => number;
  /** Where work is billed. */
  readonly billedTime?: BilledTime | undefined;
  /** The study of a run; `undefined` where nobody has asked for it. */
  readonly openStudy: (runId: string) => Promise<Study | undefined>;
}

type ScheduledEvent = EventBridgeEvent<"Scheduled Event", unknown>;
export type CoordinatorHandler = (event: SQSEvent | ScheduledEvent) => Promise<SQSBatchResponse>;

/**
 * The coordinator as a function behind `events.fifo`: what came of a run is handed over together, with one save,
 * and a run whose events cannot be carried now does not hold up another. The schedule's event sends each run
 * that has not ended a Tick, through the same queue, so that one coordinator at a time has a run.
 */
export function createCoordinatorHandler(options: CoordinatorHandlerOptions): CoordinatorHandler {
  const { store, events, now } = options;
  const active = new ActiveRuns(store);
  const carriers = new RunCarriers(options);
  const handle: CoordinatorHandler = async (event) => {
    if (!("Records" in event)) {
      await sendTicks(events, await active.list(), now());
      return { batchItemFailures: [] };
    }
    const carried = new Map<string, boolean>();
    for (const [runId, group] of await readGroups(event.Records, options)) {
      const isDone = await carriers.carry(runId, group, active);
      for (const { record } of group) carried.set(record.messageId, isDone);
    }
    // What was buried is done with.
    return answerBatch(event, async ({ messageId }) => carried.get(messageId) ?? true);
  };
  const { billedTime } = options;
  return billedTime === undefined ? handle : (event) => billedTime.during(() => handle(event));
}

interface Received {
  readonly record: SQSRecord;
  readonly event: RunEvent;
}

/** The batch's events by run, in their order; what is none is buried. */
async function readGroups(
  records: readonly SQSRecord[],
  { deadLetters, log }: CoordinatorHandlerOptions,
): Promise<ReadonlyMap<string, readonly Received[]>> {
  const groups = new Map<string, Received[]>();
  for (const record of records) {
    try {
      const event = readMessage(eventSchema, record);
      if (record.attributes.MessageGroupId !== event.runId)
        throw new UnreadableMessageError(`it is in the group of another run than its own, ${event.runId}`);
      const group = groups.get(event.runId);
      if (group === undefined) groups.set(event.runId, [{ record, event }]);
      else group.push({ record, event });
    } catch (error) {
      if (!(error instanceof UnreadableMessageError)) throw error;
      await buryMessage(deadLetters, log, record, error.message);
    }
  }
  return groups;
}

class RunCarriers {
  readonly #coordinators = new RecentlyUsed<string, Coordinator>(RUNS_IN_MEMORY);

  constructor(private readonly options: CoordinatorHandlerOptions) {}

  /** @returns whether the events are done with; if not, the queue hands them out again */
  async carry(runId: string, received: readonly Received[], active: ActiveRuns): Promise<boolean> {
    const { log, deadLetters } = this.options;
    try {
      const coordinator = await this.#open(runId);
      const state = await coordinator?.handle(
        runId,
        received.map(({ event }) => event),
        this.options.billedTime?.charge(),
      );
      if (state === undefined) {
        for (const { record } of received)
          await buryMessage(deadLetters, log, record, `nobody has asked for run ${runId}`);
        return true;
      }
      await active.update(state);
      const { phase, finished, running } = state;
      log.info("run carried", {
        runId,
        phase,
        finished: finished.length,
        running: running.length,
        events: received.length,
      });
      return true;
    } catch (error) {
      log.error("events not carried", { runId, events: received.length, reason: describeError(error) });
      return false;
    }
  }

  async #open(runId: string): Promise<Coordinator | undefined> {
    const known = this.#coordinators.get(runId);
    if (known !== undefined) return known;
    const { store, jobs, statisticsJobs, openStudy } = this.options;
    const study = await openStudy(runId);
    if (study === undefined) return undefined;
    const coordinator = new Coordinator({ store, jobs, statisticsJobs, study });
    this.#coordinators.set(runId, coordinator);
    return coordinator;
  }
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
