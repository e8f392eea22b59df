import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InProcessQueue } from "../../../shared/queues/in-process-queue.js";
import { Coordinator, type CoordinatorOptions } from "../../../shared/run/coordinator.js";
import {
  type Job,
  jobSchema,
  MESSAGE_VERSION,
  type RunEvent,
} from "../../../shared/run/protocol/messages.js";
import { stateKey } from "../../../shared/run/protocol/record-keys.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import { writeRestoredRecord } from "../../../shared/run/records/restored-record.js";
import { RunRecords, storeScores } from "../../../shared/run/records/run-records.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import type { PutCondition } from "../../../shared/storage/object-store.js";
import { ReducerHarness, requested, tick } from "../reducer/reducer-harness.js";
import { answerToyJob } from "../toy-model.js";
import { independentToyStudy, toyRequest, toyStudy } from "../toy-study.js";

const LARGEST_BYTES = 64_000;

/** A store that can fail before a write, and records the size of the largest state. */
class ObservedStore extends MemoryObjectStore {
  largestState = 0;

  constructor(private readonly beforeEffect: () => void = () => {}) {
    super();
  }

  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    this.beforeEffect();
    if (key === stateKey("toy")) this.largestState = Math.max(this.largestState, body.length);
    return super.put(key, body, condition);
  }
}

/** A coordinator with a run whose trials are answered one after another in the order of their numbers. */
class RunHarness {
  readonly jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1_000_000 });
  readonly open = new Map<string, Job>();
  #at = 0;

  constructor(
    readonly request: RunRequest,
    readonly store: MemoryObjectStore,
    readonly options: Partial<CoordinatorOptions> = {},
    private readonly beforeEffect: () => void = () => {},
  ) {
    this.coordinator = this.newCoordinator();
    const send = this.jobs.send.bind(this.jobs);
    this.jobs.send = async (messages) => {
      this.beforeEffect();
      await send(messages);
    };
  }

  coordinator: Coordinator;

  newCoordinator(): Coordinator {
    return new Coordinator({ store: this.store, jobs: this.jobs, study: toyStudy, ...this.options });
  }

  async apply(events: readonly RunEvent[]): Promise<RunState> {
    const state = await this.coordinator.handle("toy", events);
    assert.ok(state);
    return state;
  }

  /** Receives the jobs that were sent; a job sent twice is one job. */
  async takeJobs(): Promise<void> {
    const messages = await this.jobs.receive({ max: 5_000, waitMilliseconds: 0 });
    for (const { receipt, body } of messages) {
      await this.jobs.acknowledge(receipt);
      const job = jobSchema.parse(JSON.parse(body));
      this.open.set(job.type === "trial" ? `${job.trial}` : job.type, job);
    }
  }

  async answerNext(): Promise<RunEvent> {
    await this.takeJobs();
    const [name] = [...this.open.keys()].sort((a, b) => Number(a) - Number(b));
    const job = this.open.get(name!)!;
    this.open.delete(name!);
    const report = answerToyJob(this.request, job, { worker: "w", isa: "isa", at: ++this.#at });
    if (report.type === "TrialReported") await storeScores(this.store, report);
    return report;
  }

  /**
   * Runs until both reference trials have been answered; returns the second answer, which is not applied yet.
   */
  async toFirstProposal(): Promise<RunEvent> {
    await this.apply([requested(this.request)]);
    for (let i = 0; i < 2; i++) await this.apply([await this.answerNext()]);
    return this.answerNext();
  }
}

describe("the size of a save", () => {
  for (const parallel of [64, 256, 1_000])
    test(`stays under 64 KB while ${parallel} trials of 200 groups are asked for, and after`, async () => {
      const store = new ObservedStore();
      const request = toyRequest({ groups: 200, parallel, maxTrials: 5_000 });
      const harness = new RunHarness(request, store, { study: independentToyStudy });
      const state = await harness.apply([await harness.toFirstProposal()]);
      assert.equal(state.running.length, parallel);
      await harness.takeJobs();
      assert.equal(harness.open.size, parallel);
      for (let batch = 0; batch < 5; batch++) {
        const reports: RunEvent[] = [];
        for (let i = 0; i < 10; i++) reports.push(await harness.answerNext());
        await harness.apply(reports);
      }
      assert.ok(store.largestState < LARGEST_BYTES, `${store.largestState} bytes`);
      assert.deepEqual(
        (await harness.newCoordinator().read("toy"))?.running.map(({ number, configuration }) => [
          number,
          configuration,
        ]),
        (await harness.coordinator.read("toy"))?.running.map(({ number, configuration }) => [
          number,
          configuration,
        ]),
      );
    });

  test("stays under 64 KB where a run begins with a thousand trials", async () => {
    const store = new ObservedStore();
    const unrestored = toyRequest({ groups: 200, maxTrials: 2_000 });
    const restored = Array.from(
      { length: 1_000 },
      (_, number): TrialRecord => ({
        number,
        origin: { run: "earlier", trial: number },
        configuration: number === 0 ? null : unrestored.base,
        seen: number,
        askedAt: 1,
        endedAt: 2,
        attempts: 1,
        state: "failed",
        reason: "a reason of some length",
      }),
    );
    const record = writeRestoredRecord(unrestored.space, restored);
    const request = { ...unrestored, restored: record.reference };
    await new RunRecords(store).writeRestored(record);
    const harness = new RunHarness(request, store, { study: independentToyStudy });
    const state = await harness.apply([requested(request)]);
    assert.deepEqual(state.finished, restored);
    assert.ok(store.largestState < LARGEST_BYTES, `${store.largestState} bytes`);
    assert.deepEqual((await harness.newCoordinator().read("toy"))?.finished, restored);
  });

  test("is bounded where no worker answers and many trials are given up", () => {
    const harness = new ReducerHarness(toyRequest({ groups: 8, parallel: 100, maxTrials: 500 }));
    for (let at = 1; harness.state.running.length < 100; at++)
      harness.apply(harness.answer(harness.sent[at - 1]!, at));
    const ended = [];
    for (let at = 1e9; harness.state.finished.length < 102; at += 1e9) {
      const before = harness.state.finished.length;
      harness.apply(tick(at));
      ended.push(harness.state.finished.length - before);
    }
    assert.deepEqual(
      ended.filter((count) => count > 0),
      [32, 32, 32, 4],
    );
  });
});

describe("trials opened with more than one save", () => {
  test("are opened when the run is resumed, and the pause does not count", async () => {
    let left = Infinity;
    const beforeEffect = (): void => {
      if (left-- <= 0) throw new Error("the process has ended");
    };
    const limited = toyRequest({ parallel: 9, maxTrials: 40, optimizer: { maxMinutes: 60 } });
    const harness = new RunHarness(limited, new MemoryObjectStore(), { maxOpened: 2 }, beforeEffect);
    const base = await harness.toFirstProposal();
    left = 2;
    await assert.rejects(harness.apply([base]), /the process has ended/);
    left = Infinity;
    harness.coordinator = harness.newCoordinator();
    const at = 24 * 3_600_000;
    const state = await harness.apply([{ version: MESSAGE_VERSION, runId: "toy", type: "RunResumed", at }]);
    assert.equal(state.stop, undefined);
    assert.equal(state.running.length, 9);
    assert.ok(at - state.pausedMilliseconds < 60_000);
    for (const { shards } of state.running)
      for (const shard of shards) assert.ok(shard.state === "waiting" && shard.assignment.deadline > at);
  });

  const request = toyRequest({ groups: 6, parallel: 9, maxTrials: 40 });
  const outcomes = ({ finished }: RunState) =>
    finished.map(({ number, seen, configuration, state }) => ({ number, seen, configuration, state }));

  async function runToEnd(harness: RunHarness, first: readonly RunEvent[]): Promise<RunState> {
    let state = await harness.apply(first);
    await harness.takeJobs();
    while (state.phase !== "done") state = await harness.apply([await harness.answerNext()]);
    return state;
  }

  test("are those opened with one save, whichever effect a coordinator ends before", async () => {
    const whole = new RunHarness(request, new MemoryObjectStore(), { maxOpened: Infinity });
    const expected = outcomes(await runToEnd(whole, [await whole.toFirstProposal()]));
    let effects = 0;
    for (let last = 0; ; last++) {
      let left = Infinity;
      effects = 0;
      const beforeEffect = (): void => {
        if (effects++ >= left) throw new Error("the coordinator has ended");
      };
      const harness = new RunHarness(
        request,
        new ObservedStore(beforeEffect),
        { maxOpened: 2, segmentThreshold: 4 },
        beforeEffect,
      );
      const base = await harness.toFirstProposal();
      effects = 0;
      left = last;
      const died = await harness.apply([base]).then(
        () => false,
        () => true,
      );
      left = Infinity;
      if (!died) {
        assert.ok(last >= 10, `${last} effects`);
        break;
      }
      harness.coordinator = harness.newCoordinator();
      // Trials opened before may be answered when the next coordinator receives the event again.
      await harness.takeJobs();
      const events = harness.open.size > 0 ? [base, await harness.answerNext()] : [base];
      assert.deepEqual(outcomes(await runToEnd(harness, events)), expected, `ended before effect ${last}`);
    }
  });
});
