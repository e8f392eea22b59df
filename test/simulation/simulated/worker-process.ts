import { BilledTime } from "../../../functions/billed-time.js";
import { createEvaluatorHandler } from "../../../functions/evaluator/handler.js";
import type { Queue } from "../../../shared/queues/queue.js";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { Job, JobReport, TrialJob } from "../../../shared/run/protocol/messages.js";
import { claimsPrefix } from "../../../shared/run/protocol/record-keys.js";
import type { RandomStream } from "../../../shared/search/numerics/random.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { RetryingObjectStore } from "../../../shared/storage/retrying-store.js";
import { keepLog, keepMetrics } from "../../functions/lambda-events.js";
import { answerToyJob, type ToyWorker } from "../../run/toy-model.js";
import { toyBill } from "../../run/toy-study.js";
import type { Weather } from "../fault-plan.js";
import { insist } from "../invariant.js";
import type { Observer } from "../observer.js";
import type { Evaluation } from "./evaluations.js";
import { pollQueue } from "./event-source.js";
import type { SimulatedProcess } from "./simulated-process.js";

const LEASE_MILLISECONDS = 6_000;
/** Of its lease, and what it takes to ask for it: by then a worker that lost it has heard so. */
const NOTICE_MILLISECONDS = LEASE_MILLISECONDS / 3 + 2_000;
const INIT_MILLISECONDS = 200;

export interface WorkerWorld {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly weather: Weather;
  readonly observer: Observer;
  readonly random: RandomStream;
}

/** An environment of the evaluator's function behind an event source that hands it one job at a time. */
export async function runWorker(
  world: WorkerWorld,
  name: string,
  isa: string,
  self: SimulatedProcess,
): Promise<void> {
  const { observer, weather } = world;
  const { evaluations } = observer;
  const jobs = self.reachQueue(world.jobs);
  const events = self.reachQueue(world.events);
  const policy = { attempts: 5, pauseMilliseconds: 50, sleep: (ms: number) => self.sleep(ms) };
  const store = new RetryingObjectStore(self.reachStore(world.store), policy);
  const worker = new Worker(world, name, isa, self);
  const { megabytes, architecture } = toyBill(0);
  const now = () => self.now();
  const handler = createEvaluatorHandler({
    store: {
      get: (key, range) => store.get(key, range),
      put(key, body, condition) {
        worker.claims(key, body);
        return store.put(key, body, condition);
      },
      list: (prefix) => store.list(prefix),
      delete: (key) => store.delete(key),
    },
    jobs,
    events: {
      ...events,
      send(messages) {
        for (const { body } of messages) observer.check(() => evaluations.reports(JSON.parse(body)));
        return events.send(messages);
      },
    },
    deadLetters: self.reachQueue(world.deadLetters),
    log: keepLog(),
    metrics: keepMetrics(),
    now,
    sleep: (milliseconds, signal) => self.sleep(milliseconds, signal),
    workers: worker,
    leaseMilliseconds: LEASE_MILLISECONDS,
    billedTime: new BilledTime({ megabytes, architecture, now, initMilliseconds: INIT_MILLISECONDS }),
  });
  await pollQueue(jobs, 1, async (event) => {
    worker.taken = self.now();
    const until = worker.taken + weather.invocationMilliseconds;
    const over = new AbortController();
    // Lambda ends the environment with an invocation that takes too long.
    self.endAt(until, over.signal);
    try {
      return await handler(event, { getRemainingTimeInMillis: () => until - self.now() });
    } finally {
      over.abort("in time");
    }
  });
}

/** The thread that works, as the function sees it. */
class Worker {
  /** When the environment was handed its job. */
  taken = 0;
  #nonce = "";

  constructor(
    private readonly world: WorkerWorld,
    private readonly name: string,
    private readonly isa: string,
    private readonly self: SimulatedProcess,
  ) {}

  /** The environment writes an object, which may be its claim on a job. */
  claims(key: string, body: Uint8Array): void {
    if (key.startsWith(claimsPrefix(this.world.weather.request.runId)))
      this.#nonce = JSON.parse(Buffer.from(body).toString("utf8")).nonce;
  }

  async started(): Promise<void> {
    await this.self.sleep(INIT_MILLISECONDS);
  }

  async prepare(runId: string): Promise<boolean> {
    await this.self.sleep(INIT_MILLISECONDS);
    return runId === this.world.weather.request.runId;
  }

  async close(): Promise<void> {}

  async run(job: Job, signal: AbortSignal): Promise<JobReport | undefined> {
    const { request } = this.world.weather;
    if (job.runId !== request.runId) return undefined;
    if (job.type === "trial") return this.#evaluate(job, signal);
    await this.#work(signal);
    return this.#fail(job) ?? answerToyJob(request, job, this.#reporter());
  }

  async #evaluate(job: TrialJob, signal: AbortSignal): Promise<JobReport> {
    const { observer, weather } = this.world;
    const { evaluations } = observer;
    const { poison, request, faults } = weather;
    let evaluation: Evaluation | undefined;
    observer.check(() => {
      evaluation = evaluations.begins(job, this.#nonce, this.taken, this.self.now());
    });
    if (poison?.trial === job.trial && poison.kills) this.self.end();
    await this.#work(signal);
    const report = this.#fail(job) ?? answerToyJob(request, job, this.#reporter());
    observer.check(() => {
      insist(evaluation !== undefined && report.type === "TrialReported", "a trial was answered by no trial");
      if (this.isa !== "isa-a") evaluation.void = true;
      // Whoever waits for a slow store learns late that it lost its lease.
      const notice = faults.storeSlow > 0 ? Infinity : NOTICE_MILLISECONDS;
      evaluations.ends(evaluation, report, (time) => this.self.ownTimeSince(time), notice);
    });
    return report;
  }

  /** Takes its time, of which none passes while the process stands still. */
  async #work(signal: AbortSignal): Promise<void> {
    const { weather, random } = this.world;
    const begun = this.self.now();
    const milliseconds = Math.round(weather.trialMilliseconds * (0.5 + random.uniform()));
    for (let left = milliseconds; left > 0; left = milliseconds - this.self.ownTimeSince(begun)) {
      await this.self.sleep(left, signal);
      signal.throwIfAborted();
    }
  }

  /** The report of a failure, if this job is to fail. */
  #fail(job: Job): JobReport | undefined {
    const { random, weather } = this.world;
    const isPoisoned = job.type === "trial" && weather.poison?.trial === job.trial;
    if (!isPoisoned && random.uniform() >= weather.faults.jobFails) return undefined;
    return failureReport(job, isPoisoned ? "poisoned" : "bad luck", this.#reporter());
  }

  #reporter(): ToyWorker {
    return { worker: this.name, isa: this.isa, at: this.self.now() };
  }
}
