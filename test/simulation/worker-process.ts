import type { Queue, ReceivedMessage } from "../../shared/queues/queue.js";
import { claimJob, type Lease } from "../../shared/run/claim.js";
import { failureReport } from "../../shared/run/failure-report.js";
import { type Job, type JobReport, jobSchema, type TrialJob } from "../../shared/run/messages.js";
import { scoresName } from "../../shared/run/record-keys.js";
import { storeScores } from "../../shared/run/run-records.js";
import type { RandomStream } from "../../shared/search/random.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { RetryingObjectStore } from "../../shared/storage/retrying-store.js";
import { answerToyJob } from "../run/toy-model.js";
import { toyBill } from "../run/toy-study.js";
import type { Evaluation, Observer } from "./observer.js";
import type { SimulatedProcess } from "./simulated-process.js";
import type { VirtualClock } from "./virtual-clock.js";
import type { Weather } from "./weather.js";

export const LEASE_MILLISECONDS = 30_000;
const IDLE_MILLISECONDS = 600_000;

export interface WorkerWorld {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly weather: Weather;
  readonly observer: Observer;
  readonly clock: VirtualClock;
  readonly random: RandomStream;
}

/** Takes jobs from the queue one by one, claims them, works and reports, until the process ends. */
export async function runWorker(
  world: WorkerWorld,
  name: string,
  isa: string,
  self: SimulatedProcess,
): Promise<void> {
  const jobs = self.reachQueue(world.jobs);
  const worker = new Worker(world, name, isa, self);
  for (;;) {
    const [message] = await jobs.receive({ max: 1, waitMilliseconds: IDLE_MILLISECONDS });
    if (message === undefined) continue;
    try {
      await worker.carryOut(message);
    } catch {
      // Store or queue did not answer: the message comes back when its visibility ends.
    }
  }
}

class Worker {
  readonly #world: WorkerWorld;
  readonly #name: string;
  readonly #isa: string;
  readonly #self: SimulatedProcess;
  readonly #jobs: Queue;
  readonly #events: Queue;
  readonly #store: ObjectStore;

  constructor(world: WorkerWorld, name: string, isa: string, self: SimulatedProcess) {
    this.#world = world;
    this.#name = name;
    this.#isa = isa;
    this.#self = self;
    this.#jobs = self.reachQueue(world.jobs);
    this.#events = self.reachQueue(world.events);
    const policy = { attempts: 5, pauseMilliseconds: 50, sleep: (ms: number) => self.sleep(ms) };
    this.#store = new RetryingObjectStore(self.reachStore(world.store), policy);
  }

  async carryOut(message: ReceivedMessage): Promise<void> {
    const job = parseJob(message);
    if (job === undefined || job.runId !== this.#world.weather.request.runId) {
      await this.#jobs.acknowledge(message.receipt);
    } else if (job.type === "trial") await this.#carryOutTrial(job, message);
    else {
      const startedAt = this.#now;
      await this.#self.sleep(this.#duration());
      await this.#send(this.#fail(job) ?? this.#answer(job), message, this.#bill(startedAt));
    }
  }

  async #carryOutTrial(job: TrialJob, message: ReceivedMessage): Promise<void> {
    if (this.#now >= job.deadline) {
      // The coordinator has sent it again, under the next number.
      await this.#jobs.acknowledge(message.receipt);
      return;
    }
    const until = this.#now + LEASE_MILLISECONDS;
    const claim = await claimJob(this.#store, job, this.#now, until);
    switch (claim.state) {
      case "taken":
        await this.#jobs.changeVisibility(message.receipt, Math.max(0, claim.until - this.#now) + 100);
        return;
      case "answered":
        await storeScores(this.#store, claim.report);
        await this.#send(claim.report, message, undefined);
        return;
      case "granted":
        // The claim itself may have taken so long that the job is somebody else's by now.
        if (this.#now >= Math.min(until, job.deadline)) return;
        await this.#evaluate(job, message, claim.lease, until);
    }
  }

  async #evaluate(job: TrialJob, message: ReceivedMessage, lease: Lease, until: number): Promise<void> {
    const { observer, weather } = this.#world;
    const startedAt = this.#now;
    const evaluation = observer.evaluates(job, startedAt, until);
    const isPoisoned = weather.poison?.trial === job.trial;
    if (isPoisoned && weather.poison?.kills) this.#self.end();
    const kept = await this.#work(this.#duration(), lease, message, evaluation);
    const billed = this.#bill(startedAt);
    if (!kept) return;
    const report = this.#fail(job) ?? this.#answer(job);
    if (report.type !== "TrialReported") return;
    if (report.outcome.state === "failed" || this.#isa !== "isa-a") evaluation.void = true;
    else observer.reports(report, scoresName(report.outcome.rows));
    const priced = { ...report, billed: toyBill(billed) };
    // The answer is left before it is sent: whoever is handed the job again sends it instead of working again.
    const [mine] = await Promise.all([lease.answer(priced), storeScores(this.#store, priced)]);
    if (mine) await this.#send(priced, message, billed);
  }

  /** Works for so long, keeping lease and visibility ahead; false if the job went to somebody else meanwhile. */
  async #work(
    milliseconds: number,
    lease: Lease,
    message: ReceivedMessage,
    evaluation: Evaluation,
  ): Promise<boolean> {
    const until = this.#now + milliseconds;
    while (this.#now < until) {
      await this.#self.sleep(Math.min(until - this.#now, LEASE_MILLISECONDS / 3));
      const leaseUntil = this.#now + LEASE_MILLISECONDS;
      if (!(await lease.extend(leaseUntil))) return false;
      evaluation.leaseUntil = leaseUntil;
      await this.#jobs.changeVisibility(message.receipt, LEASE_MILLISECONDS);
    }
    return true;
  }

  async #send(
    report: JobReport,
    message: ReceivedMessage,
    billedMilliseconds: number | undefined,
  ): Promise<void> {
    const priced =
      billedMilliseconds === undefined ? report : { ...report, billed: toyBill(billedMilliseconds) };
    const deduplication = `${message.id}/${message.deliveries}`;
    await this.#events.send([{ body: JSON.stringify(priced), group: report.runId, deduplication }]);
    await this.#jobs.acknowledge(message.receipt);
  }

  #answer(job: Job): JobReport {
    return answerToyJob(this.#world.weather.request, job, {
      worker: this.#name,
      isa: this.#isa,
      at: this.#now,
    });
  }

  /** The report of a failure, if this job is to fail. */
  #fail(job: Job): JobReport | undefined {
    const { random, weather } = this.#world;
    const isPoisoned = job.type === "trial" && weather.poison?.trial === job.trial;
    if (!isPoisoned && random.uniform() >= weather.faults.jobFails) return undefined;
    return failureReport(job, isPoisoned ? "poisoned" : "bad luck", {
      worker: this.#name,
      isa: this.#isa,
      at: this.#now,
    });
  }

  #duration(): number {
    return this.#world.weather.trialMilliseconds * (0.5 + this.#world.random.uniform());
  }

  #bill(startedAt: number): number {
    return this.#now - startedAt;
  }

  get #now(): number {
    return this.#world.clock.now();
  }
}

function parseJob({ body }: ReceivedMessage): Job | undefined {
  try {
    return jobSchema.parse(JSON.parse(body));
  } catch {
    return undefined;
  }
}
