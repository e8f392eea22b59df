import { BilledTime } from "../../../functions/billed-time.js";
import { type CoordinatorHandler, createCoordinatorHandler } from "../../../functions/coordinator/handler.js";
import type { TickSwitch } from "../../../functions/coordinator/tick-switch.js";
import { TICK_INPUT } from "../../../functions/schedule-names.js";
import type { Queue } from "../../../shared/queues/queue.js";
import { Coordinator } from "../../../shared/run/coordinator.js";
import type { Study } from "../../../shared/run/protocol/study.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { RetryingObjectStore } from "../../../shared/storage/retrying-store.js";
import type { InProcessTickSwitch } from "../../functions/in-process-tick-switch.js";
import { keepLog, keepMetrics } from "../../functions/lambda-events.js";
import type { Observer } from "../observer.js";
import type { Save } from "../spend-audit.js";
import { pollQueue } from "./event-source.js";
import type { SimulatedProcess } from "./simulated-process.js";

export interface CoordinatorWorld {
  readonly runId: string;
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly tick: InProcessTickSwitch;
  readonly study: Study;
  readonly observer: Observer;
  readonly segmentThreshold: number;
  readonly maxOpened: number;
}

const BATCH = 10;
const TICK_MILLISECONDS = 10_000;
/** Small compared with a worker's, as is its price. */
const MEGABYTES = 64;
const INIT_MILLISECONDS = 200;
/** Pause between two proposals, in which other processes run and this one may end. */
const PROPOSE_MILLISECONDS = 2;

/**
 * An execution environment of the coordinator function, behind an event source that passes it events in
 * batches.
 */
export async function runCoordinator(world: CoordinatorWorld, self: SimulatedProcess): Promise<void> {
  const events = self.wrapQueue(world.events);
  const handler = createHandler(world, self);
  await pollQueue(events, BATCH, handler);
}

/**
 * An execution environment of the coordinator function that is invoked by the Tick's schedule while this is
 * on.
 */
export async function runTicks(world: CoordinatorWorld, self: SimulatedProcess): Promise<void> {
  const handler = createHandler(world, self);
  for (;;) {
    await self.sleep(TICK_MILLISECONDS);
    if (!world.tick.isOn) continue;
    try {
      await handler(TICK_INPUT);
    } catch {
      // Store or queue did not answer; the next Tick tries again.
    }
  }
}

function createHandler(world: CoordinatorWorld, self: SimulatedProcess): CoordinatorHandler {
  const { runId, tick, study, observer, segmentThreshold, maxOpened } = world;
  const policy = { attempts: 5, pauseMilliseconds: 50, sleep: (ms: number) => self.sleep(ms) };
  let save: Save = { events: [], own: undefined };
  const watched: ObjectStore = {
    get: (key, range) => world.store.get(key, range),
    put(key, body, condition) {
      observer.writeStarted(key, body, save);
      return world.store.put(key, body, condition);
    },
    list: (prefix) => world.store.list(prefix),
    delete: (key) => world.store.delete(key),
  };
  const wrappedTick: TickSwitch = {
    turnOn: () => self.effect(() => tick.turnOn()),
    turnOff: () => self.effect(() => tick.turnOff()),
  };
  const jobs = self.wrapQueue(world.jobs);
  const now = () => self.now();
  return createCoordinatorHandler({
    store: new RetryingObjectStore(self.wrapStore(watched), policy),
    jobs,
    statisticsJobs: jobs,
    events: self.wrapQueue(world.events),
    deadLetters: self.wrapQueue(world.deadLetters),
    log: keepLog(),
    metrics: keepMetrics(),
    now,
    tick: wrappedTick,
    openStudy: async (id) => (id === runId ? study : undefined),
    billedTime: new BilledTime({
      megabytes: MEGABYTES,
      architecture: "arm64",
      now,
      initMilliseconds: INIT_MILLISECONDS,
    }),
    createCoordinator(options) {
      const coordinator = new Coordinator({
        ...options,
        segmentThreshold,
        maxOpened,
        pause: () => self.sleep(PROPOSE_MILLISECONDS),
      });
      return {
        async handle(id, events, own) {
          save = { events, own };
          observer.eventsReceived(events);
          const state = await coordinator.handle(id, events, own);
          if (state !== undefined) observer.eventsHandled(state, events);
          return state;
        },
      };
    },
  });
}
