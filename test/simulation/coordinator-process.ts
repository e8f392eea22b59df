import type { Queue, ReceivedMessage } from "../../shared/queues/queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { eventSchema, type RunEvent } from "../../shared/run/messages.js";
import type { Study } from "../../shared/run/study.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { RetryingObjectStore } from "../../shared/storage/retrying-store.js";
import { toyBill } from "../run/toy-study.js";
import type { Observer } from "./observer.js";
import type { SimulatedProcess } from "./simulated-process.js";

export interface CoordinatorWorld {
  readonly runId: string;
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly study: Study;
  readonly observer: Observer;
  readonly manyRunning: number;
  readonly mostAsked: number;
}

const IDLE_MILLISECONDS = 600_000;
export const OWN_WORK = toyBill(20);

/** Takes events from the queue in batches and hands them to the coordinator, until the process ends. */
export async function runCoordinator(world: CoordinatorWorld, self: SimulatedProcess): Promise<void> {
  const { runId, study, observer, manyRunning, mostAsked } = world;
  const events = self.reachQueue(world.events);
  const jobs = self.reachQueue(world.jobs);
  const policy = { attempts: 5, pauseMilliseconds: 50, sleep: (ms: number) => self.sleep(ms) };
  let batch: readonly RunEvent[] = [];
  const watched: ObjectStore = {
    get: (key, range) => world.store.get(key, range),
    list: (prefix) => world.store.list(prefix),
    delete: (key) => world.store.delete(key),
    put(key, body, condition) {
      observer.writes(key, body, batch);
      return world.store.put(key, body, condition);
    },
  };
  const store = new RetryingObjectStore(self.reachStore(watched), policy);
  const coordinator = new Coordinator({ store, jobs, study, manyRunning, mostAsked });
  for (;;) {
    const messages = await events.receive({ max: 10, waitMilliseconds: IDLE_MILLISECONDS });
    batch = messages.flatMap((message) => parseEvent(message, runId));
    observer.hands(batch);
    try {
      const state = await coordinator.handle(runId, batch, OWN_WORK);
      if (state !== undefined) observer.handled(state, batch);
    } catch {
      // The batch comes back when its visibility ends, as after a Lambda that failed.
      continue;
    }
    for (const { receipt } of messages) await events.acknowledge(receipt);
  }
}

/** Nothing where the message is no event of this run: it is refused. */
function parseEvent({ body }: ReceivedMessage, runId: string): readonly RunEvent[] {
  try {
    const event = eventSchema.parse(JSON.parse(body));
    return event.runId === runId ? [event] : [];
  } catch {
    return [];
  }
}
