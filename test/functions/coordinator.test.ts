import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createCoordinatorHandler } from "../../functions/coordinator/handler.js";
import { TICK_INPUT } from "../../functions/schedule-names.js";
import { warmUpSchema } from "../../functions/warm-up.js";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import type { Queue } from "../../shared/queues/queue.js";
import {
  eventSchema,
  jobSchema,
  MESSAGE_VERSION,
  type RunEvent,
} from "../../shared/run/protocol/messages.js";
import { announceRun } from "../../shared/run/protocol/run-announced.js";
import { writeScheduledRun } from "../../shared/run/store/scheduled-run.js";
import { readWorkloadDocument, type WorkloadDocument } from "../../shared/run/store/workload-document.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { PutCondition } from "../../shared/storage/object-store.js";
import { answerToyJob } from "../run/toy-model.js";
import { toyRequest, toyStudy } from "../run/toy-study.js";
import { InProcessTickSwitch } from "./in-process-tick-switch.js";
import { keepLog, keepMetrics, toEvent } from "./lambda-events.js";

const VISIBILITY_MILLISECONDS = 60_000;

/** A store whose writes below a prefix fail. */
class PartlyFailingStore extends MemoryObjectStore {
  failing: string | undefined;

  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    if (this.failing !== undefined && key.startsWith(this.failing)) throw new Error("the call failed");
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
  const metrics = keepMetrics();
  const clock = { now: 1 };
  const tick: InProcessTickSwitch = new InProcessTickSwitch(() => handler(TICK_INPUT));
  const handler = createCoordinatorHandler({
    store,
    ...queues,
    log,
    metrics,
    tick,
    now: () => clock.now,
    openStudy: async (runId) => (runId === "stranger" ? undefined : toyStudy),
  });
  const send = (event: RunEvent, group = event.runId) =>
    queues.events.send([{ body: JSON.stringify(event), group, deduplication: `${Math.random()}` }]);
  const invoke = async (sent = 0) => {
    const messages = await take(queues.events);
    const { batchItemFailures } = await handler(
      toEvent(messages.map((message) => ({ ...message, sentAt: sent }))),
    );
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    for (const { id, receipt } of messages)
      if (failed.has(id)) await queues.events.changeVisibility(receipt, 0);
      else await queues.events.acknowledge(receipt);
    return failed.size;
  };
  return { store, ...queues, log, metrics, clock, tick, send, invoke };
}

const take = (queue: Queue) => queue.receive({ max: 10, waitMilliseconds: 0 });

function requested(runId: string): RunEvent {
  const request = toyRequest({ runId, maxTrials: 3, parallel: 1 });
  return { version: MESSAGE_VERSION, type: "RunRequested", runId, at: 1, request };
}

const toyWorkload: WorkloadDocument = {
  version: 1,
  configuration: {},
  configurationHash: "0".repeat(64),
  files: [{ path: "model/m.onnx", key: "models/0", bytes: 1, sha256: "0".repeat(64) }],
  outputs: [],
};

describe("The coordinator's function", () => {
  test("takes a run from its request to its end, and keeps it listed until then", async () => {
    const { jobs, statisticsJobs, invoke, send, store, clock, tick, metrics } = open();
    await send(requested("toy"));
    const request = toyRequest({ runId: "toy", maxTrials: 3, parallel: 1 });
    assert.equal(await invoke(), 0);
    const [warmUp] = await take(jobs);
    assert.deepEqual(warmUpSchema.parse(JSON.parse(warmUp?.body ?? "")).runId, "toy");
    for (;;) {
      assert.equal(await invoke(), 0);
      const [gathering] = await take(statisticsJobs);
      const [message = gathering] = await take(jobs);
      if (message === undefined) break;
      assert.ok(await store.get("active/toy"));
      assert.ok(tick.isOn);
      const job = jobSchema.parse(JSON.parse(message.body));
      assert.equal(job.type === "statistics", message === gathering);
      await send(answerToyJob(request, job, { worker: "w", isa: "arm64", at: clock.now++ }));
      await (message === gathering ? statisticsJobs : jobs).acknowledge(message.receipt);
    }
    const state = JSON.parse(Buffer.from((await store.get("runs/toy/state.json"))?.body ?? []).toString());
    assert.equal(state.phase, "done");
    assert.equal(await store.get("active/toy"), undefined);
    assert.ok(!tick.isOn);
    // The float model and three trials.
    assert.equal(metrics.sums.TrialsEnded, 4);
    assert.equal(metrics.sums.TrialsFailed, 0);
    assert.ok(Number.isFinite(metrics.ofRuns.get("toy BestMetric")));
  });

  test("makes evaluators start when a run is announced, and stores nothing", async () => {
    const { store, jobs, deadLetters, invoke, events } = open();
    await announceRun(events, { runId: "toy", requestedAt: 1, parallel: 2 });
    assert.equal(await invoke(), 0);
    const warmUps = (await take(jobs)).map(({ body }) => warmUpSchema.parse(JSON.parse(body)));
    assert.deepEqual(
      warmUps.map(({ runId }) => runId),
      [undefined, undefined],
    );
    assert.deepEqual(await take(deadLetters), []);
    for await (const key of store.list("")) assert.fail(`${key} was written`);
  });

  for (const [title, at] of [
    ["behind", 1],
    ["ahead", 2_000_000_000],
  ] as const)
    test(`counts the time-outs of a run's jobs from the SQS timestamp of the request where the sender's clock is ${title}`, async () => {
      const { statisticsJobs, invoke, send } = open();
      const sent = 1_000_000_000;
      const event = requested("toy");
      await send({ ...event, at });
      assert.equal(await invoke(sent), 0);
      const [message] = await take(statisticsJobs);
      const { deadline } = jobSchema.parse(JSON.parse(message?.body ?? ""));
      assert.equal(deadline, sent + toyRequest().timeouts.statistics);
    });

  test("sends statistics jobs to evaluators if the request says so, before warm-up messages", async () => {
    const { jobs, statisticsJobs, invoke, send } = open();
    const request = toyRequest();
    const statistics = { ...request.statistics, by: "evaluators" as const };
    const { runId } = request;
    await send({
      version: MESSAGE_VERSION,
      type: "RunRequested",
      runId,
      at: 1,
      request: { ...request, statistics },
    });
    assert.equal(await invoke(), 0);
    assert.deepEqual(await take(statisticsJobs), []);
    const types = (await take(jobs)).map(({ body }) => JSON.parse(body).type);
    assert.deepEqual(types, ["statistics", "warm-up"]);
  });

  test("sends each run that has not ended a Tick every minute, within its group", async () => {
    const { events, tick, invoke, send, clock } = open();
    await send(requested("one"));
    await send(requested("two"));
    await invoke();
    clock.now = 99;
    await tick.passMinute();
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

  test("leaves the events of a run whose state cannot be saved in the queue, and handles another run's", async () => {
    const { store, log, invoke, send } = open();
    await send(requested("one"));
    await send(requested("two"));
    store.failing = "runs/one/state.json";
    assert.equal(await invoke(), 1);
    assert.deepEqual(
      log.errors.map(({ message }) => message),
      ["the call failed"],
    );
    assert.ok(await store.get("runs/two/state.json"));
    store.failing = undefined;
    assert.equal(await invoke(), 0);
    assert.ok(await store.get("runs/one/state.json"));
  });

  test("retries failed events with exponential backoff", async () => {
    const { store, events, invoke, send } = open();
    const pauses: number[] = [];
    const change = events.changeVisibility.bind(events);
    events.changeVisibility = async (receipt, milliseconds) => {
      if (milliseconds > 0) pauses.push(milliseconds);
      await change(receipt, milliseconds);
    };
    await send(requested("one"));
    store.failing = "runs/one/";
    for (let delivery = 1; delivery <= 8; delivery++) assert.equal(await invoke(), 1);
    assert.deepEqual(pauses, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 360_000]);
  });

  test("sends no further Tick to a run whose records are missing or damaged, and none at all without another run", async () => {
    const { store, events, deadLetters, tick, invoke, send } = open();
    const sendTick = (runId: string) => send({ version: MESSAGE_VERSION, type: "Tick", runId, at: 2 });
    await send(requested("one"));
    await invoke();
    await store.put("active/stranger", new Uint8Array());
    await sendTick("stranger");
    assert.equal(await invoke(), 0);
    assert.equal(await store.get("active/stranger"), undefined);
    assert.ok(tick.isOn && (await store.get("active/one")));
    await store.put("runs/one/state.json", Buffer.from("{"));
    await sendTick("one");
    assert.equal(await invoke(), 0);
    assert.equal(await store.get("active/one"), undefined);
    assert.ok(!tick.isOn);
    assert.equal((await take(deadLetters)).length, 2);
    assert.deepEqual(await take(events), []);
  });

  test("refuses schedules that are damaged, too large or missing, and requests the runs of others", async () => {
    const { store, events, deadLetters, log, invoke } = open();
    await store.put("schedules/damaged.json", Buffer.from("{"));
    const request = toyRequest({ runId: "template" });
    await writeScheduledRun(store, "nightly", { request, workload: toyWorkload });
    const scheduledTime = "2026-11-23T03:00:00Z";
    await store.put("schedules/huge.json", Buffer.alloc(17 * 2 ** 20, "{"));
    for (const schedule of ["damaged", "huge", "none", "nightly"]) {
      const body = JSON.stringify({
        version: MESSAGE_VERSION,
        type: "RunScheduled",
        schedule,
        scheduledTime,
      });
      await events.send([{ body, group: schedule, deduplication: schedule }]);
    }
    assert.equal(await invoke(), 0);
    assert.equal((await take(deadLetters)).length, 3);
    assert.ok(log.reasons.some((reason) => /huge\.json has more than 16777216 bytes/.test(reason)));
    const [{ body, group } = { body: "{}", group: "" }] = await take(events);
    const event = eventSchema.parse(JSON.parse(body));
    assert.ok(event.type === "RunRequested");
    assert.deepEqual([group, event.runId, event.request.runId], Array(3).fill("nightly-20261123T030000Z"));
    assert.deepEqual(await readWorkloadDocument(store, event.runId), toyWorkload);
  });

  test("refuses invalid messages, events in another run's group, and events of a run that was never requested", async () => {
    const { events, deadLetters, log, invoke, send } = open();
    await events.send([{ body: "{", group: "one", deduplication: "1" }]);
    await send(requested("two"), "one");
    await send({ version: MESSAGE_VERSION, type: "Tick", runId: "stranger", at: 1 });
    await send(requested("one"));
    assert.equal(await invoke(), 0);
    assert.equal((await take(deadLetters)).length, 3);
    assert.equal(log.lines.filter((line) => line === "message refused").length, 3);
    assert.ok(log.lines.includes("events handled"));
  });

  test("handles the rest of a batch if the dead-letter queue fails, and leaves only the refused messages in the queue", async () => {
    const { store, events, deadLetters, log, metrics, invoke, send } = open();
    const sendToDeadLetters = deadLetters.send.bind(deadLetters);
    deadLetters.send = async () => {
      throw new Error("the call failed");
    };
    await events.send([{ body: "{", group: "one", deduplication: "1" }]);
    await send({ version: MESSAGE_VERSION, type: "Tick", runId: "stranger", at: 1 });
    const scheduledTime = "2026-11-23T03:00:00Z";
    const due = { version: MESSAGE_VERSION, type: "RunScheduled", schedule: "gone", scheduledTime };
    await events.send([{ body: JSON.stringify(due), group: "gone", deduplication: "gone" }]);
    await send(requested("two"));
    assert.equal(await invoke(), 3);
    assert.ok(await store.get("runs/two/state.json"));
    assert.equal(log.lines.filter((line) => line === "message not moved to the dead-letter queue").length, 3);
    assert.equal(metrics.sums.MessagesRefused, undefined);
    deadLetters.send = sendToDeadLetters;
    assert.equal(await invoke(), 0);
    assert.equal((await take(deadLetters)).length, 3);
  });
});
