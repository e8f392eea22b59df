import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createCollectorHandler } from "../../functions/collector/handler.js";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import type { Queue } from "../../shared/queues/queue.js";
import {
  eventSchema,
  type Job,
  type JobReport,
  MESSAGE_VERSION,
  type StatisticsJob,
} from "../../shared/run/protocol/messages.js";
import { answerToyJob } from "../run/toy-model.js";
import { toyRequest } from "../run/toy-study.js";
import { keepLog, keepMetrics, toEvent } from "./lambda-events.js";

const MINUTE = 60_000;
const job: StatisticsJob = {
  version: MESSAGE_VERSION,
  type: "statistics",
  runId: "toy",
  attempt: 1,
  shard: { index: 1, count: 3 },
  key: "statistics/0",
  deadline: 8.64e15,
};
const report = answerToyJob(toyRequest(), job, { worker: "w", isa: "arm64", at: 1 });

function open(run: (job: Job) => Promise<JobReport | undefined>) {
  const queue = (kind: "standard" | "fifo") =>
    new InProcessQueue({ kind, visibilityMilliseconds: 6 * MINUTE });
  const queues = { jobs: queue("standard"), events: queue("fifo"), deadLetters: queue("standard") };
  const log = keepLog();
  const metrics = keepMetrics();
  const workers = { run, close: async () => undefined };
  const handler = createCollectorHandler({
    ...queues,
    log,
    metrics,
    now: Date.now,
    workers,
    leaseMilliseconds: MINUTE,
  });
  const send = (body: unknown) => queues.jobs.send([{ body: JSON.stringify(body) }]);
  const invoke = async (remaining = 15 * MINUTE) => {
    const event = toEvent(await take(queues.jobs));
    const { batchItemFailures } = await handler(event, { getRemainingTimeInMillis: () => remaining });
    return batchItemFailures.length;
  };
  return { ...queues, log, metrics, send, invoke };
}

const take = (queue: Queue) => queue.receive({ max: 10, waitMilliseconds: 0 });
const reports = async (events: Queue) =>
  (await take(events)).map(({ body }) => eventSchema.parse(JSON.parse(body)));

describe("The collector's function", () => {
  test("reports a shard of the calibration samples", async () => {
    const { events, send, invoke } = open(async () => report);
    await send(job);
    assert.equal(await invoke(), 0);
    const [event, ...others] = await reports(events);
    assert.deepEqual(others, []);
    assert.ok(event?.type === "StatisticsReported");
    assert.deepEqual(
      { shard: event.shard, outcome: event.outcome.state },
      { shard: job.shard, outcome: "complete" },
    );
  });

  test("returns a shard to the queue before the timeout", async () => {
    const { jobs, events, send, invoke } = open(() => new Promise(() => undefined));
    await send(job);
    assert.equal(await invoke(15_001), 1);
    assert.deepEqual(await reports(events), []);
    assert.equal((await take(jobs)).length, 1);
  });

  test("moves jobs for evaluators, of an unknown version and of an unknown run to the dead-letter queue and runs the others", async () => {
    const { events, deadLetters, metrics, send, invoke } = open(async ({ runId }) =>
      runId === "toy" ? report : undefined,
    );
    const { version, runId, attempt, deadline } = job;
    await send({ version, type: "finish", runId, attempt, candidates: [], deadline });
    await send({ ...job, version: 2 });
    await send({ ...job, runId: "stranger" });
    await send(job);
    assert.equal(await invoke(), 0);
    assert.equal((await take(deadLetters)).length, 3);
    assert.equal((await reports(events)).length, 1);
    assert.deepEqual(metrics.sums, { MessagesRefused: 3, JobsAnswered: 1 });
  });

  test("leaves only the shard whose job failed in the queue", async () => {
    let calls = 0;
    const { log, metrics, send, invoke } = open(async () => {
      if (++calls === 1) throw new Error("no store");
      return report;
    });
    await send(job);
    await send({ ...job, shard: { index: 2, count: 3 } });
    assert.equal(await invoke(), 1);
    assert.ok(log.lines.includes("job not carried out"));
    assert.ok(log.lines.includes("job answered"));
    assert.deepEqual(metrics.sums, { JobsAnswered: 1 });
  });
});
