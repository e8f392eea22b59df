import { MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import { hasEnded, type RunState } from "../../shared/run/protocol/state.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { InProcessTickSwitch } from "../functions/in-process-tick-switch.js";
import { toyStudy, toyTpeStudy } from "../run/toy-study.js";
import { checkRun } from "./check-run.js";
import { type Deviation, withStatefulSampler } from "./defects.js";
import { drawFaultPlan } from "./fault-plan.js";
import { assertInvariant, BrokenInvariantError } from "./invariant.js";
import { Observer } from "./observer.js";
import { runCoordinator, runTicks } from "./simulated/coordinator-process.js";
import { FaultyQueue } from "./simulated/faulty-queue.js";
import { FaultyStore } from "./simulated/faulty-store.js";
import { SimulatedProcess } from "./simulated/simulated-process.js";
import { VirtualClock } from "./simulated/virtual-clock.js";
import { runWorker } from "./simulated/worker-process.js";
import { SpendAudit } from "./spend-audit.js";

const START = Date.UTC(2026, 0, 1);
const JUNK_MILLISECONDS = 10_000;
const RESTART_MILLISECONDS = 2_000;
const COORDINATORS = 2;
/** Time after which a run counts as stuck. */
const LONGEST_RUN_MILLISECONDS = 3 * 24 * 3_600_000;
/** Time after the end of a run in which late and duplicate messages must not change it. */
const AFTERMATH_MILLISECONDS = 120_000;
/** Time by which invalid messages must have been refused. */
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
 * Simulates one run with the faults of its seed: coordinators, workers, queues, store and clock in one
 * process. Equal seeds give equal runs.
 *
 * @param deviation makes the run differ from what its checks expect
 * @throws BrokenInvariantError
 */
export async function simulate(seed: number, deviation: Deviation = {}): Promise<SimulatedRun> {
  const random = createRandomStream(seed, 0, "noise");
  const plan = drawFaultPlan(seed, random);
  const { request, faults, sampler, segmentThreshold, maxOpened } = plan;
  const { runId } = request;
  const plainStudy = sampler === "tpe" ? toyTpeStudy : toyStudy;
  const study = deviation.hasStatefulSampler ? withStatefulSampler(plainStudy) : plainStudy;
  const clock = new VirtualClock(START);
  const maxUsd = request.cost?.maxUsd;
  const { auditedBudgetRatio = 1 } = deviation;
  const audit = maxUsd === undefined ? undefined : new SpendAudit(study, auditedBudgetRatio * maxUsd);
  const observer = new Observer(runId, audit);
  const store = new FaultyStore(clock, random, faults, (key, body) =>
    observer.objectWritten(key, body, clock.now()),
  );
  const standard = {
    kind: "standard",
    visibilityMilliseconds: JOB_VISIBILITY_MILLISECONDS,
    maxDeliveries: MAX_DELIVERIES,
  } as const;
  const jobs = new FaultyQueue(standard, clock, random, faults, ({ body }) =>
    observer.jobSent(JSON.parse(body)),
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
      // Planned faults never surface here, so this is an error of the code.
      observer.broken ??= error instanceof Error ? error : new Error(String(error));
    });
  };

  const tick = new InProcessTickSwitch(async () => undefined);
  const coordinatorWorld = {
    runId,
    store,
    jobs,
    events,
    deadLetters,
    tick,
    study,
    observer,
    segmentThreshold,
    maxOpened,
  };
  const coordinators = { dies: faults.coordinatorDies, hangs: faults.coordinatorHangs };
  for (let i = 0; i < COORDINATORS; i++)
    startProcess(coordinators, (self) => runCoordinator(coordinatorWorld, self));
  startProcess(coordinators, (self) => runTicks(coordinatorWorld, self));
  const workerWorld = {
    store,
    jobs,
    events,
    deadLetters,
    plan,
    observer,
    random,
  };
  for (let i = 0; i < plan.workers + plan.foreignWorkers; i++) {
    const isa = i < plan.workers ? "isa-a" : "isa-b";
    startProcess({ dies: faults.workerDies, hangs: faults.workerHangs }, (self) =>
      runWorker(workerWorld, `worker-${i}`, isa, self),
    );
  }

  const sendFromOutside = (event: object, deduplication: string): Promise<void> => {
    const at = clock.now() + plan.senderAhead;
    const body = JSON.stringify({ version: MESSAGE_VERSION, runId, at, ...event });
    return events.sendSafely({ body, group: runId, deduplication });
  };
  await sendFromOutside({ type: "RunRequested", request }, "request");
  if (plan.cancelAfter !== undefined)
    void clock.sleep(plan.cancelAfter).then(() => sendFromOutside({ type: "CancelRequested" }, "cancel"));
  const sendJunk = async (): Promise<void> => {
    for (let n = 0; !ended(); n++) {
      await clock.sleep(JUNK_MILLISECONDS);
      if (random.uniform() < faults.junk) await junk.send(jobs, events, n);
    }
  };
  void sendJunk();

  const limit = START + LONGEST_RUN_MILLISECONDS;
  await clock.runUntil(() => observer.broken !== undefined || ended() || clock.now() > limit);
  const endedAt = clock.now();
  await clock.runUntil(() => {
    const isOver = clock.now() > endedAt + AFTERMATH_MILLISECONDS && !tick.isOn;
    return observer.broken !== undefined || isOver || clock.now() > limit;
  });
  // A process that received some of it may have ended or be suspended.
  const patience = clock.now() + BURIAL_MILLISECONDS;
  await clock.runUntil(
    () => observer.broken !== undefined || junk.left.length === 0 || clock.now() > patience,
  );
  if (observer.broken !== undefined) throw observer.broken;
  const seen = observer.latest;
  if (seen === undefined || !hasEnded(seen))
    throw new BrokenInvariantError(`the run has not ended: ${seen?.phase ?? "it was never begun"}`);
  // This must hold whatever the sender's clock says; otherwise deadlines would pass at once, or not for
  // hours.
  assertInvariant(
    START <= seen.startedAt && seen.startedAt <= endedAt,
    `the run began ${seen.startedAt - START} ms after it was asked for`,
  );
  assertInvariant(!tick.isOn, "the Tick is on although no run is");
  assertInvariant(junk.left.length === 0, `this was neither refused nor carried: ${junk.left.join(", ")}`);
  const state = await checkRun(seen, study, observer.evaluations, store.contents);
  return { state, virtualMilliseconds: endedAt - START, evaluations: observer.evaluations.begun };
}

/** Invalid messages, and messages of a run that was never requested; each contains a distinct number. */
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

/** Every one of these messages must be refused, and no other. */
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
    assertInvariant(this.#sent.has(body), `this was refused: ${body}`);
    this.#refused.add(body);
  }
}
