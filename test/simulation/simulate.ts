import { MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import { hasEnded, type RunState } from "../../shared/run/protocol/state.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { InProcessTickSwitch } from "../functions/in-process-tick-switch.js";
import { toyStudy, toyTpeStudy } from "../run/toy-study.js";
import { judgeRun } from "./check-run.js";
import { drawWeather } from "./fault-plan.js";
import { BrokenInvariantError, insist } from "./invariant.js";
import { Observer } from "./observer.js";
import { runCoordinator, runTicks } from "./simulated/coordinator-process.js";
import { FaultyQueue } from "./simulated/faulty-queue.js";
import { FaultyStore } from "./simulated/faulty-store.js";
import { SimulatedProcess } from "./simulated/simulated-process.js";
import { VirtualClock } from "./simulated/virtual-clock.js";
import { runWorker } from "./simulated/worker-process.js";
import { Ledger } from "./spend-audit.js";

const START = Date.UTC(2026, 0, 1);
const JUNK_MILLISECONDS = 10_000;
const RESTART_MILLISECONDS = 2_000;
const COORDINATORS = 2;
/** A run that has not ended after so long never will. */
const LONGEST_RUN_MILLISECONDS = 3 * 24 * 3_600_000;
/** Late and doubled messages that come after the end must not change it. */
const AFTERMATH_MILLISECONDS = 120_000;
/** Until then what is no message has been refused. */
const BURIAL_MILLISECONDS = 3_600_000;
const EVENT_VISIBILITY_MILLISECONDS = 60_000;
const JOB_VISIBILITY_MILLISECONDS = 30_000;
const MAX_DELIVERIES = 10;

export interface SimulatedRun {
  readonly state: RunState;
  readonly virtualMilliseconds: number;
  readonly evaluations: number;
}

/**
 * One run under the weather of its seed: coordinators, workers, queues, store and clock in one process. The same
 * seed goes the same way.
 *
 * @throws BrokenInvariantError
 */
export async function simulate(seed: number): Promise<SimulatedRun> {
  const random = createRandomStream(seed, 0, "noise");
  const weather = drawWeather(seed, random);
  const { request, faults, sampler, manyRunning, mostAsked } = weather;
  const { runId } = request;
  const study = sampler === "tpe" ? toyTpeStudy : toyStudy;
  const clock = new VirtualClock(START);
  const maxUsd = request.cost?.maxUsd;
  const ledger = maxUsd === undefined ? undefined : new Ledger(study, maxUsd);
  const observer = new Observer(runId, ledger);
  const store = new FaultyStore(clock, random, faults, (key, body) =>
    observer.written(key, body, clock.now()),
  );
  const standard = {
    kind: "standard",
    visibilityMilliseconds: JOB_VISIBILITY_MILLISECONDS,
    maxDeliveries: MAX_DELIVERIES,
  } as const;
  const jobs = new FaultyQueue(standard, clock, random, faults, ({ body }) =>
    observer.sent(JSON.parse(body)),
  );
  const fifo = { kind: "fifo", visibilityMilliseconds: EVENT_VISIBILITY_MILLISECONDS } as const;
  const events = new FaultyQueue(fifo, clock, random, faults);
  const junk = new Junk(runId);
  const deadLetters = new FaultyQueue(standard, clock, random, faults, ({ body }) =>
    observer.check(() => junk.refused(body)),
  );
  const ended = (): boolean => observer.latest !== undefined && hasEnded(observer.latest);

  const startProcess = (
    mortality: { dies: number; hangs: number },
    run: (self: SimulatedProcess) => Promise<void>,
  ): void => {
    const restart = (): void => {
      void clock.sleep(RESTART_MILLISECONDS).then(() => startProcess(mortality, run));
    };
    const self = new SimulatedProcess(clock, random, mortality, restart);
    run(self).catch((error: unknown) => {
      // No fault of the weather gets through to here, so it is one of the code.
      observer.broken ??= error instanceof Error ? error : new Error(String(error));
    });
  };

  const tick = new InProcessTickSwitch(async () => undefined);
  const carrying = {
    runId,
    store,
    jobs,
    events,
    deadLetters,
    tick,
    study,
    observer,
    manyRunning,
    mostAsked,
  };
  const coordinators = { dies: faults.coordinatorDies, hangs: faults.coordinatorHangs };
  for (let i = 0; i < COORDINATORS; i++) startProcess(coordinators, (self) => runCoordinator(carrying, self));
  startProcess(coordinators, (self) => runTicks(carrying, self));
  const world = {
    store,
    jobs,
    events,
    deadLetters,
    weather,
    observer,
    random,
  };
  for (let i = 0; i < weather.workers + weather.foreignWorkers; i++) {
    const isa = i < weather.workers ? "isa-a" : "isa-b";
    startProcess({ dies: faults.workerDies, hangs: faults.workerHangs }, (self) =>
      runWorker(world, `worker-${i}`, isa, self),
    );
  }

  const say = (event: object, deduplication: string): Promise<void> => {
    const at = clock.now() + weather.senderAhead;
    const body = JSON.stringify({ version: MESSAGE_VERSION, runId, at, ...event });
    return events.sendSafely({ body, group: runId, deduplication });
  };
  await say({ type: "RunRequested", request }, "request");
  if (weather.cancelAfter !== undefined)
    void clock.sleep(weather.cancelAfter).then(() => say({ type: "CancelRequested" }, "cancel"));
  const disturb = async (): Promise<void> => {
    for (let n = 0; !ended(); n++) {
      await clock.sleep(JUNK_MILLISECONDS);
      if (random.uniform() < faults.junk) await junk.send(jobs, events, n);
    }
  };
  void disturb();

  const limit = START + LONGEST_RUN_MILLISECONDS;
  await clock.runUntil(() => observer.broken !== undefined || ended() || clock.now() > limit);
  const endedAt = clock.now();
  await clock.runUntil(() => {
    const isOver = clock.now() > endedAt + AFTERMATH_MILLISECONDS && !tick.isOn;
    return observer.broken !== undefined || isOver || clock.now() > limit;
  });
  // A process that has taken some of it may have ended or be standing still.
  const patience = clock.now() + BURIAL_MILLISECONDS;
  await clock.runUntil(
    () => observer.broken !== undefined || junk.left.length === 0 || clock.now() > patience,
  );
  if (observer.broken !== undefined) throw observer.broken;
  const seen = observer.latest;
  if (seen === undefined || !hasEnded(seen))
    throw new BrokenInvariantError(`the run has not ended: ${seen?.phase ?? "it was never begun"}`);
  // Whatever the clock says of who asks: else deadlines pass at once, or not for hours.
  insist(
    START <= seen.startedAt && seen.startedAt <= endedAt,
    `the run began ${seen.startedAt - START} ms after it was asked for`,
  );
  insist(!tick.isOn, "the Tick is on although no run is");
  insist(junk.left.length === 0, `this was neither refused nor carried: ${junk.left.join(", ")}`);
  const state = await judgeRun(seen, study, observer.evaluations, store.contents);
  return { state, virtualMilliseconds: endedAt - START, evaluations: observer.evaluations.begun };
}

/** What is no message, or of a run that nobody has asked for; each has a number of its own. */
const JUNK: readonly ((number: number) => string)[] = [
  (number) => `{ ${number}`,
  (number) => JSON.stringify({ version: 99, number }),
  (at) => JSON.stringify({ version: MESSAGE_VERSION, runId: "another", type: "Tick", at }),
  (number) =>
    JSON.stringify({
      version: MESSAGE_VERSION,
      runId: "another",
      type: "warm-up",
      deadline: 2 * START + number,
    }),
];

/** Must be refused, every one, and nothing else. */
class Junk {
  readonly #sent = new Set<string>();
  readonly #refused = new Set<string>();

  constructor(private readonly runId: string) {}

  get left(): readonly string[] {
    return [...this.#sent].filter((body) => !this.#refused.has(body));
  }

  async send(jobs: FaultyQueue, events: FaultyQueue, n: number): Promise<void> {
    const write = JUNK[n % JUNK.length]!;
    const [job, event] = [write(2 * n), write(2 * n + 1)];
    this.#sent.add(job).add(event);
    await jobs.sendSafely({ body: job });
    await events.sendSafely({ body: event, group: this.runId, deduplication: `junk ${n}` });
  }

  refused(body: string): void {
    insist(this.#sent.has(body), `this was refused: ${body}`);
    this.#refused.add(body);
  }
}
