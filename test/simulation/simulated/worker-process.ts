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
import type { FaultPlan } from "../fault-plan.js";
import { assertInvariant } from "../invariant.js";
import type { Observer } from "../observer.js";
import type { Evaluation } from "./evaluations.js";
import { pollQueue } from "./event-source.js";
import type { SimulatedProcess } from "./simulated-process.js";

const LEASE_MILLISECONDS = 6_000;
/**
 * Time by which a worker that lost its lease must have noticed: an extension interval and the time to request
 * it.
 */
const NOTICE_MILLISECONDS = LEASE_MILLISECONDS / 3 + 2_000;
const INIT_MILLISECONDS = 200;

export interface WorkerWorld {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly plan: FaultPlan;
  readonly observer: Observer;
  readonly random: RandomStream;
}

/**
 * An execution environment of the evaluator function, behind an event source that passes it one job at a
 * time.
 */
export async function runWorker(
  world: WorkerWorld,
  name: string,
  isa: string,
  self: SimulatedProcess,
): Promise<void> {
  const { observer, plan } = world;
  const { evaluations } = observer;
  const jobs = self.wrapQueue(world.jobs);
  const events = self.wrapQueue(world.events);
  const policy = { attempts: 5, pauseMilliseconds: 50, sleep: (ms: number) => self.sleep(ms) };
  const store = new RetryingObjectStore(self.wrapStore(world.store), policy);
  const worker = new Worker(world, name, isa, self);
  const { megabytes, architecture } = toyBill(0);
  const now = () => self.now();
  const handler = createEvaluatorHandler({
    store: {
      get: (key, range) => store.get(key, range),
      put(key, body, condition) {
        worker.objectWritten(key, body);
        return store.put(key, body, condition);
      },
      list: (prefix) => store.list(prefix),
      delete: (key) => store.delete(key),
    },
    jobs,
    events: {
      ...events,
      send(messages) {
        for (const { body } of messages) observer.check(() => evaluations.reportSent(JSON.parse(body)));
        return events.send(messages);
      },
    },
    deadLetters: self.wrapQueue(world.deadLetters),
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
    const until = worker.taken + plan.invocationMilliseconds;
    const over = new AbortController();
    // Lambda ends the environment when an invocation exceeds its time limit.
    self.endAt(until, over.signal);
    try {
      return await handler(event, { getRemainingTimeInMillis: () => until - self.now() });
    } finally {
      over.abort("in time");
    }
  });
}

/** The worker thread, as the function sees it. */
class Worker {
  /** When the environment received its job. */
  taken = 0;
  #nonce = "";

  constructor(
    private readonly world: WorkerWorld,
    private readonly name: string,
    private readonly isa: string,
    private readonly self: SimulatedProcess,
  ) {}

  /** Called when the environment writes an object, which may be its claim on a job. */
  objectWritten(key: string, body: Uint8Array): void {
    if (key.startsWith(claimsPrefix(this.world.plan.request.runId)))
      this.#nonce = JSON.parse(Buffer.from(body).toString("utf8")).nonce;
  }

  async started(): Promise<void> {
    await this.self.sleep(INIT_MILLISECONDS);
  }

  async prepare(runId: string): Promise<boolean> {
    await this.self.sleep(INIT_MILLISECONDS);
    return runId === this.world.plan.request.runId;
  }

  async close(): Promise<void> {}

  async run(job: Job, signal: AbortSignal): Promise<JobReport | undefined> {
    const { request } = this.world.plan;
    if (job.runId !== request.runId) return undefined;
    if (job.type === "trial") return this.#evaluate(job, signal);
    await this.#work(signal);
    return this.#fail(job) ?? answerToyJob(request, job, this.#reporter());
  }

  async #evaluate(job: TrialJob, signal: AbortSignal): Promise<JobReport> {
    const { observer, plan } = this.world;
    const { evaluations } = observer;
    const { poison, request, faults } = plan;
    let evaluation: Evaluation | undefined;
    observer.check(() => {
      evaluation = evaluations.executionStarted(job, this.#nonce, this.taken, this.self.now());
    });
    if (poison?.trial === job.trial && poison.kills) this.self.end();
    await this.#work(signal);
    const report = this.#fail(job) ?? answerToyJob(request, job, this.#reporter());
    observer.check(() => {
      assertInvariant(
        evaluation !== undefined && report.type === "TrialReported",
        "a trial was answered by no trial",
      );
      if (this.isa !== "isa-a") evaluation.void = true;
      // A worker that waits for a slow store notices late that it lost its lease.
      const notice = faults.storeSlow > 0 ? Infinity : NOTICE_MILLISECONDS;
      evaluations.executionEnded(evaluation, report, (time) => this.self.ownTimeSince(time), notice);
    });
    return report;
  }

  /** Waits for the duration of the job, not counting time in which the process is suspended. */
  async #work(signal: AbortSignal): Promise<void> {
    const { plan, random } = this.world;
    const begun = this.self.now();
    const milliseconds = Math.round(plan.trialMilliseconds * (0.5 + random.uniform()));
    for (let left = milliseconds; left > 0; left = milliseconds - this.self.ownTimeSince(begun)) {
      await this.self.sleep(left, signal);
      signal.throwIfAborted();
    }
  }

  /** The report of a failure, if the plan makes this job fail. */
  #fail(job: Job): JobReport | undefined {
    const { random, plan } = this.world;
    const isPoisoned = job.type === "trial" && plan.poison?.trial === job.trial;
    if (!isPoisoned && random.uniform() >= plan.faults.jobFails) return undefined;
    return failureReport(job, isPoisoned ? "poisoned" : "bad luck", this.#reporter());
  }

  #reporter(): ToyWorker {
    return { worker: this.name, isa: this.isa, at: this.self.now() };
  }
}
