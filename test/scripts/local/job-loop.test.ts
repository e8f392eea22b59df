import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runJobLoop } from "../../../scripts/local/job-loop.js";
import type { JobRunner } from "../../../scripts/local/job-runner.js";
import { systemClock } from "../../../shared/queues/clock.js";
import { InProcessQueue } from "../../../shared/queues/in-process-queue.js";
import { type Job, type JobReport, MESSAGE_VERSION } from "../../../shared/run/protocol/messages.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { answerToyJob } from "../../run/toy-model.js";
import { toyRequest } from "../../run/toy-study.js";

const request = toyRequest();

const trialJob = (trial: number): Job => ({
  version: MESSAGE_VERSION,
  type: "trial",
  runId: "toy",
  trial,
  attempt: 1,
  configuration: request.base,
  shard: { index: 0, count: 1 },
  measureLatency: false,
  deadline: 1,
});

class CountingRunner implements JobRunner {
  readonly slots = 1;
  readonly begun: number[] = [];
  async run(job: Job): Promise<JobReport> {
    if (job.type === "trial") this.begun.push(job.trial);
    return answerToyJob(request, job, { worker: "w", isa: "i", at: 1 });
  }
  async close(): Promise<void> {}
}

/** A loop over the jobs of these trials, with a store whose writes wait for `put`. */
async function loopOver(trials: readonly number[], put: () => Promise<void>) {
  const queue = (kind: "standard" | "fifo") =>
    new InProcessQueue({ kind, visibilityMilliseconds: 1_000_000, clock: systemClock });
  const [jobs, events] = [queue("standard"), queue("fifo")];
  await jobs.send(trials.map((trial) => ({ body: JSON.stringify(trialJob(trial)) })));
  const memory = new MemoryObjectStore();
  const store: ObjectStore = {
    get: (...args) => memory.get(...args),
    list: (...args) => memory.list(...args),
    delete: (...args) => memory.delete(...args),
    put: async (...args) => {
      await put();
      return memory.put(...args);
    },
  };
  const runner = new CountingRunner();
  const stop = new AbortController();
  const cancel = new AbortController().signal;
  const loop = runJobLoop({ jobs, events, store, runner, clock: systemClock, stop: stop.signal, cancel });
  return { loop, runner, events, stop };
}

describe("the job loop", () => {
  test("runs the next job while a report is being sent, and reports in the order of the jobs", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { loop, runner, events, stop } = await loopOver([2, 3, 4], () => held);
    while (runner.begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await events.receive({ max: 10, waitMilliseconds: 0 }), []);
    release();
    const reported: number[] = [];
    while (reported.length < 3) {
      for (const { body, receipt } of await events.receive({ max: 1, waitMilliseconds: 1_000 })) {
        reported.push((JSON.parse(body) as { trial: number }).trial);
        await events.acknowledge(receipt);
      }
    }
    assert.deepEqual(reported, [2, 3, 4]);
    stop.abort();
    await loop;
  });

  test("ends with the error of a report that cannot be stored, even if no further job comes", async () => {
    const { loop } = await loopOver([2], () => Promise.reject(new Error("the disk is full")));
    await assert.rejects(loop, /the disk is full/);
  });
});
