import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createCoordinatorHandler } from "../../functions/coordinator/handler.js";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import type { Queue } from "../../shared/queues/queue.js";
import { eventSchema, jobSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/messages.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { PutCondition } from "../../shared/storage/object-store.js";
import { answerToyJob } from "../run/toy-model.js";
import { toyRequest, toyStudy } from "../run/toy-study.js";
import { keepLog, toEvent } from "./lambda-events.js";

const VISIBILITY_MILLISECONDS = 60_000;

/** A store that takes no write below a prefix. */
class PartlyFailingStore extends MemoryObjectStore {
  failing: string | undefined;

  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    if (this.failing !== undefined && key.startsWith(this.failing)) throw new Error("no such luck");
    return super.put(key, body, condition);
  }
}

function open() {
  const queue = (kind: "standard" | "fifo") =>
    new InProcessQueue({ kind, visibilityMilliseconds: VISIBILITY_MILLISECONDS });
  const store = new PartlyFailingStore();
  const queues = {
    jobs: queue("standard"),
    statisticsJobs: queue("standard"),
    events: queue("fifo"),
    deadLetters: queue("fifo"),
  };
  const log = keepLog();
  const clock = { now: 1 };
  const handler = createCoordinatorHandler({
    store,
    ...queues,
    log,
    now: () => clock.now,
    openStudy: async (runId) => (runId === "stranger" ? undefined : toyStudy),
  });
  const send = (event: RunEvent, group = event.runId) =>
    queues.events.send([{ body: JSON.stringify(event), group, deduplication: `${Math.random()}` }]);
  const invoke = async () => {
    const messages = await take(queues.events);
    const { batchItemFailures } = await handler(toEvent(messages));
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    for (const { id, receipt } of messages)
      if (failed.has(id)) await queues.events.changeVisibility(receipt, 0);
      else await queues.events.acknowledge(receipt);
    return failed.size;
  };
  return { store, ...queues, log, clock, handler, send, invoke };
}

const take = (queue: Queue) => queue.receive({ max: 10, waitMilliseconds: 0 });

function requested(runId: string): RunEvent {
  const request = toyRequest({ runId, maxTrials: 3, parallel: 1 });
  return { version: MESSAGE_VERSION, type: "RunRequested", runId, at: 1, request };
}

const scheduled = {
  version: "0",
  id: "1",
  "detail-type": "Scheduled Event" as const,
  source: "aws.events",
  account: "000000000000",
  time: "",
  region: "us-east-1",
  resources: [],
  detail: {},
};

describe("The coordinator's function", () => {
  test("carries a run from its request to its end, and keeps it listed until then", async () => {
    const { jobs, statisticsJobs, invoke, send, store, clock } = open();
    await send(requested("toy"));
    const request = toyRequest({ runId: "toy", maxTrials: 3, parallel: 1 });
    for (;;) {
      assert.equal(await invoke(), 0);
      const [gathering] = await take(statisticsJobs);
      const [message = gathering] = await take(jobs);
      if (message === undefined) break;
      assert.ok(await store.get("active/toy"));
      const job = jobSchema.parse(JSON.parse(message.body));
      assert.equal(job.type === "statistics", message === gathering);
      await send(answerToyJob(request, job, { worker: "w", isa: "arm64", at: clock.now++ }));
      await (message === gathering ? statisticsJobs : jobs).acknowledge(message.receipt);
    }
    const state = JSON.parse(Buffer.from((await store.get("runs/toy/state.json"))?.body ?? []).toString());
    assert.equal(state.phase, "done");
    assert.equal(await store.get("active/toy"), undefined);
  });

  test("sends each run that has not ended a Tick when the schedule asks, within its group", async () => {
    const { events, handler, invoke, send, clock } = open();
    await send(requested("one"));
    await send(requested("two"));
    await invoke();
    clock.now = 99;
    await handler(scheduled);
    const ticks = await take(events);
    assert.deepEqual(
      ticks.map(({ group, body }) => ({ group, ...eventSchema.parse(JSON.parse(body)) })),
      ["one", "two"].map((runId) => ({
        group: runId,
        version: MESSAGE_VERSION,
        type: "Tick",
        runId,
        at: 99,
      })),
    );
  });

  test("has one run's events come again when its state cannot be saved, and carries the other's", async () => {
    const { store, invoke, send } = open();
    await send(requested("one"));
    await send(requested("two"));
    store.failing = "runs/one/state.json";
    assert.equal(await invoke(), 1);
    assert.ok(await store.get("runs/two/state.json"));
    store.failing = undefined;
    assert.equal(await invoke(), 0);
    assert.ok(await store.get("runs/one/state.json"));
  });

  test("buries what is no event, of another group's run, and of a run that nobody asked for", async () => {
    const { events, deadLetters, log, invoke, send } = open();
    await events.send([{ body: "{", group: "one", deduplication: "1" }]);
    await send(requested("two"), "one");
    await send({ version: MESSAGE_VERSION, type: "Tick", runId: "stranger", at: 1 });
    await send(requested("one"));
    assert.equal(await invoke(), 0);
    assert.equal((await take(deadLetters)).length, 3);
    assert.equal(log.lines.filter((line) => line === "message refused").length, 3);
    assert.ok(log.lines.includes("run carried"));
  });
});
