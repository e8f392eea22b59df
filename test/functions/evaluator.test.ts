import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BilledTime } from "../../functions/billed-time.js";
import { createEvaluatorHandler } from "../../functions/evaluator/handler.js";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import type { Queue } from "../../shared/queues/queue.js";
import {
  eventSchema,
  type Job,
  type JobReport,
  MESSAGE_VERSION,
  type TrialReported,
} from "../../shared/run/protocol/messages.js";
import { packRows } from "../../shared/run/protocol/rows.js";
import { claimJob } from "../../shared/run/store/claim.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { answerToyJob, toyTrialJob } from "../run/toy-model.js";
import { toyRequest } from "../run/toy-study.js";
import { keepLog, keepMetrics, toEvent } from "./lambda-events.js";

const MINUTE = 60_000;
const job = toyTrialJob(8.64e15);
const report = answerToyJob(toyRequest(), job, { worker: "w", isa: "arm64", at: 1 }) as TrialReported;

const FINISH = {
  version: MESSAGE_VERSION,
  type: "finish",
  attempt: 1,
  base: {},
  candidates: [],
  deadline: 8.64e15,
} as const;

type Run = (job: Job, signal: AbortSignal) => Promise<JobReport | undefined>;

function open(run: Run, leaseMilliseconds = MINUTE) {
  const queue = (kind: "standard" | "fifo") =>
    new InProcessQueue({ kind, visibilityMilliseconds: 6 * MINUTE });
  const store = new MemoryObjectStore();
  const queues = { jobs: queue("standard"), events: queue("fifo"), deadLetters: queue("standard") };
  const log = keepLog();
  const metrics = keepMetrics();
  const ended: string[] = [];
  const prepared: string[] = [];
  const workers = {
    run,
    started: async () => void prepared.push("started"),
    prepare: async (runId: string) => {
      prepared.push(runId);
      if (runId === "broken") throw new Error("the call failed");
      return runId !== "stranger";
    },
    close: async () => void ended.push("closed"),
  };
  const handler = createEvaluatorHandler({
    store,
    ...queues,
    log,
    metrics,
    now: Date.now,
    workers,
    leaseMilliseconds,
    billedTime: new BilledTime({
      megabytes: 1_024,
      architecture: "arm64",
      now: Date.now,
      initMilliseconds: 7,
    }),
  });
  const invoke = async (remaining = 15 * MINUTE) => {
    const messages = await take(queues.jobs);
    const { batchItemFailures } = await handler(toEvent(messages), {
      getRemainingTimeInMillis: () => remaining,
    });
    return batchItemFailures.length;
  };
  const send = (body: unknown) => queues.jobs.send([{ body: JSON.stringify(body) }]);
  return { store, ...queues, log, ended, prepared, invoke, send };
}

const take = (queue: Queue) => queue.receive({ max: 10, waitMilliseconds: 0 });
const reports = async (events: Queue) =>
  (await take(events)).map(({ body }) => eventSchema.parse(JSON.parse(body)));
const never: Run = () => new Promise(() => undefined);

describe("The evaluator's function", () => {
  test("stores the answer in the claim, stores the rows, and reports with the billed time", async () => {
    const { store, events, send, invoke } = open(async () => report);
    await send(job);
    assert.equal(await invoke(), 0);
    const [event] = await reports(events);
    assert.ok(event?.type === "TrialReported" && event.billed !== undefined);
    const { milliseconds, ...setting } = event.billed;
    assert.ok(milliseconds >= 7, "the start of the environment is billed");
    assert.deepEqual(setting, { megabytes: 1_024, architecture: "arm64" });
    assert.deepEqual(event.outcome, report.outcome);
    assert.equal((await claimJob(store, job, Date.now(), Date.now())).state, "answered");
    const keys: string[] = [];
    for await (const key of store.list("runs/toy/scores/")) keys.push(key);
    assert.equal(keys.length, 1);
  });

  test("prepares a run without answering, and leaves errors to the first trial", async () => {
    const { events, deadLetters, prepared, log, send, invoke } = open(never);
    const warmUp = { version: MESSAGE_VERSION, type: "warm-up", deadline: 8.64e15 };
    for (const runId of ["toy", "broken", "stranger"]) await send({ ...warmUp, runId });
    await send({ ...warmUp, runId: "late", deadline: 1 });
    assert.equal(await invoke(), 0);
    assert.deepEqual(prepared, ["toy", "broken", "stranger"]);
    assert.deepEqual(log.lines, ["not ready for a run", "message refused", "job is overdue"]);
    assert.equal((await take(deadLetters)).length, 1);
    assert.deepEqual(await reports(events), []);
  });

  test("only starts for a run that was not requested yet", async () => {
    const { events, deadLetters, prepared, send, invoke } = open(never);
    await send({ version: MESSAGE_VERSION, type: "warm-up", deadline: 8.64e15 });
    assert.equal(await invoke(), 0);
    assert.deepEqual(prepared, ["started"]);
    assert.deepEqual([...(await reports(events)), ...(await take(deadLetters))], []);
  });

  test("sends the answer stored by a worker that died, without running the job", async () => {
    const { store, events, send, invoke } = open(never);
    const claim = await claimJob(store, job, 0, Date.now());
    assert.ok(claim.state === "granted" && (await claim.lease.answer(report)));
    await send(job);
    assert.equal(await invoke(), 0);
    assert.deepEqual(await reports(events), [report]);
  });

  test("finishes a run once, however often the job is delivered", async () => {
    const finish = { ...FINISH, runId: job.runId };
    let worked = 0;
    const { events, send, invoke } = open(async (taken) => {
      worked++;
      return answerToyJob(toyRequest(), taken, { worker: "w", isa: "arm64", at: 1 });
    });
    for (let delivery = 0; delivery < 3; delivery++) {
      await send(finish);
      assert.equal(await invoke(), 0);
    }
    const answers = await reports(events);
    assert.deepEqual([worked, answers.length], [1, 3]);
    for (const answer of answers) assert.deepEqual(answer, answers[0]);
  });

  test("does not run a job claimed by another worker", async () => {
    const { store, events, send, invoke } = open(never);
    await claimJob(store, job, Date.now(), Date.now() + MINUTE);
    await send(job);
    assert.equal(await invoke(), 1);
    assert.deepEqual(await reports(events), []);
  });

  test("returns a job to the queue before the timeout, for another worker to receive immediately", async () => {
    const { jobs, store, events, ended, send, invoke } = open(never);
    await send(job);
    assert.equal(await invoke(15_001), 1);
    assert.deepEqual(ended, ["closed"]);
    assert.deepEqual(await reports(events), []);
    assert.equal((await take(jobs)).length, 1);
    assert.equal((await claimJob(store, job, Date.now() + 1, Date.now() + MINUTE)).state, "granted");
  });

  test("releases the claim before the message, so that the next worker does not find it taken", async () => {
    const { jobs, store, send, invoke } = open(never);
    const change = jobs.changeVisibility.bind(jobs);
    const claims: string[] = [];
    jobs.changeVisibility = async (receipt, milliseconds) => {
      if (milliseconds === 0)
        claims.push((await claimJob(store, job, Date.now() + 1, Date.now() + MINUTE)).state);
      await change(receipt, milliseconds);
    };
    await send(job);
    assert.equal(await invoke(15_001), 1);
    assert.deepEqual(claims, ["granted"]);
  });

  test("fails a job that three workers did not complete within an invocation", async () => {
    const { events, send, invoke } = open(never);
    await send(job);
    for (const failures of [1, 1, 0]) assert.equal(await invoke(15_001), failures);
    const [event] = await reports(events);
    assert.ok(event?.type === "TrialReported" && event.outcome.state === "failed");
    assert.match(
      event.outcome.reason,
      /within the 0 s of an invocation; spread the evaluation over more shards/,
    );
    assert.ok(event.billed !== undefined);
  });

  test("fails a job that killed seven workers, before the queue moves it to the dead-letter queue", async () => {
    const { jobs, events, deadLetters, send, invoke } = open(never);
    await send(job);
    for (let dead = 0; dead < 7; dead++) {
      const [message] = await take(jobs);
      await jobs.changeVisibility(message?.receipt ?? "", 0);
    }
    assert.equal(await invoke(), 0);
    const [event] = await reports(events);
    assert.ok(event?.type === "TrialReported" && event.outcome.state === "failed");
    assert.match(event.outcome.reason, /^7 workers took it and none answered; .* give them more$/);
    assert.deepEqual(await take(deadLetters), []);
  });

  test("fails a job whose report is larger than a message", async () => {
    const large = packRows(Float32Array.from({ length: 200_000 }, Math.sin), 1);
    assert.ok(report.outcome.state === "complete");
    const outcome = { ...report.outcome, rows: large, samples: 200_000 };
    const { events, send, invoke } = open(async () => ({ ...report, outcome }));
    await send(job);
    assert.equal(await invoke(), 0);
    const [event] = await reports(events);
    assert.ok(event?.type === "TrialReported" && event.outcome.state === "failed");
    assert.match(
      event.outcome.reason,
      /message of \d+ bytes is over the queue's 1048576; spread the evaluation/,
    );
  });

  test("stops without a report when another worker has taken over the claim", async () => {
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const work: Run = (...given) => {
      begin();
      return never(...given);
    };
    const { store, events, ended, log, send, invoke } = open(work, 60);
    await send(job);
    const invoked = invoke();
    await begun;
    // As if this worker had been suspended for longer than its lease.
    while ((await claimJob(store, job, Date.now() + MINUTE, Date.now() + 2 * MINUTE)).state !== "granted");
    assert.equal(await invoked, 1);
    assert.deepEqual(ended, ["closed"]);
    assert.ok(log.lines.includes("job lost"));
    assert.deepEqual(await reports(events), []);
  });

  test("extends claim and visibility while a job runs", async () => {
    const lease = 60;
    const { store, events, send, invoke } = open(async () => {
      while ((await claimOf(store)) < started + 2 * lease)
        await new Promise((resolve) => setTimeout(resolve, 5));
      return report;
    }, lease);
    await send(job);
    const started = Date.now();
    assert.equal(await invoke(), 0);
    assert.equal((await reports(events)).length, 1);
  });

  test("reports statistics without a claim, because they are deterministic", async () => {
    const { version, runId, attempt, shard, deadline } = job;
    const gathering = { version, type: "statistics" as const, runId, attempt, shard, key: "s/0", deadline };
    const gathered = answerToyJob(toyRequest(), gathering, { worker: "w", isa: "arm64", at: 1 });
    const { store, events, send, invoke } = open(async () => gathered);
    await send(gathering);
    assert.equal(await invoke(), 0);
    const [event] = await reports(events);
    assert.ok(event?.type === "StatisticsReported" && event.billed !== undefined);
    assert.deepEqual(event.shard, shard);
    for await (const key of store.list("")) assert.fail(`${key} was written`);
  });

  test("drops overdue jobs, and refuses invalid ones and those of an unknown run", async () => {
    const { events, deadLetters, send, invoke } = open(async () => undefined);
    await send({ ...job, deadline: 1 });
    await send({ ...job, version: 2 });
    await send({ ...job, runId: "stranger" });
    await send({ ...report, at: 1 });
    assert.equal(await invoke(), 0);
    assert.deepEqual(await reports(events), []);
    assert.equal((await take(deadLetters)).length, 3);
  });

  test("retries a job after seconds when the run's files cannot be opened", async () => {
    const { jobs, log, send, invoke } = open(() => Promise.reject(new Error("no store")));
    const pauses: number[] = [];
    jobs.changeVisibility = async (_, milliseconds) => void pauses.push(milliseconds);
    await send(job);
    assert.equal(await invoke(), 1);
    assert.deepEqual(log.lines, ["job not carried out"]);
    assert.deepEqual(pauses, [MINUTE, 5_000]);
  });
});

async function claimOf(store: MemoryObjectStore): Promise<number> {
  const outcome = await claimJob(store, job, 0, 1);
  return outcome.state === "taken" ? outcome.until : 0;
}
