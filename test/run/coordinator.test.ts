import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { type Job, jobSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/protocol/messages.js";
import {
  restoredKey,
  runningTrialSegmentKey,
  SEGMENT_SIZE,
  stateKey,
} from "../../shared/run/protocol/record-keys.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import type { RunState } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { writeRestoredRecord } from "../../shared/run/records/restored-record.js";
import { storeScores } from "../../shared/run/records/run-records.js";
import { DamagedRecordError } from "../../shared/run/store/damaged-record.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import type { ObjectStore, PutCondition } from "../../shared/storage/object-store.js";
import { answerToyJob } from "./toy-model.js";
import { type ToyRequestOptions, toyRequest, toyStudy } from "./toy-study.js";

/** Small enough for these runs to have more and fewer running trials. */
const SEGMENT_THRESHOLD = 4;

class CoordinatorHarness {
  readonly jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1_000_000 });
  coordinator: Coordinator;
  at = 0;

  constructor(
    readonly request: RunRequest,
    readonly store: ObjectStore = new MemoryObjectStore(),
    readonly study: Study = toyStudy,
  ) {
    this.coordinator = this.newCoordinator();
  }

  newCoordinator(): Coordinator {
    return new Coordinator({
      store: this.store,
      jobs: this.jobs,
      study: this.study,
      segmentThreshold: SEGMENT_THRESHOLD,
    });
  }

  start(): Promise<RunState | undefined> {
    return this.handle([this.event({ type: "RunRequested", request: this.request })]);
  }

  handle(events: readonly RunEvent[]): Promise<RunState | undefined> {
    return this.coordinator.handle(this.request.runId, events);
  }

  event(event: { type: "RunRequested"; request: RunRequest } | { type: "Tick" | "RunResumed" }): RunEvent {
    return { version: MESSAGE_VERSION, runId: this.request.runId, at: ++this.at, ...event };
  }

  async takeJobs(): Promise<readonly Job[]> {
    const messages = await this.jobs.receive({ max: 1_000, waitMilliseconds: 0 });
    for (const { receipt } of messages) await this.jobs.acknowledge(receipt);
    return messages.map(({ body }) => jobSchema.parse(JSON.parse(body)));
  }

  async answer(job: Job): Promise<RunEvent> {
    const report = answerToyJob(this.request, job, { worker: "w", isa: "isa", at: ++this.at });
    if (report.type === "TrialReported") await storeScores(this.store, report);
    return report;
  }

  /** Answers one job after another; `before` is called before each event. */
  async runToEnd(before: (step: number) => Promise<void> = async () => {}): Promise<RunState> {
    let state = await this.start();
    const open = [...(await this.takeJobs())];
    for (let step = 0; open.length > 0; step++) {
      await before(step);
      state = await this.handle([await this.answer(open.shift()!)]);
      open.push(...(await this.takeJobs()));
    }
    assert.ok(state);
    return state;
  }
}

const optionsArbitrary: fc.Arbitrary<ToyRequestOptions> = fc.record({
  seed: fc.nat(1_000),
  groups: fc.integer({ min: 2, max: 5 }),
  maxTrials: fc.integer({ min: 1, max: 60 }),
  parallel: fc.integer({ min: 1, max: 6 }),
  shards: fc.integer({ min: 1, max: 3 }),
});

describe("coordinator", () => {
  test("the state read back from the store equals the state in memory, at any step", async () => {
    await fc.assert(
      fc.asyncProperty(optionsArbitrary, async (options) => {
        const harness = new CoordinatorHarness(toyRequest(options));
        const compare = async (): Promise<void> => {
          const fresh = await harness.newCoordinator().read("toy");
          const known = await harness.coordinator.read("toy");
          assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
        };
        await harness.runToEnd(async (step) => {
          if (step % 7 === 0) await compare();
        });
        await compare();
      }),
      { numRuns: 10 },
    );
  });

  test("the configurations of many running trials are stored in segments, and a missing segment is an error", async () => {
    const harness = new CoordinatorHarness(toyRequest({ groups: 8, maxTrials: 40, parallel: 24 }));
    /** Numbers of the trials whose configuration is not in the state document. */
    const savedInSegments = async (): Promise<readonly number[]> => {
      const stored = await harness.store.get(stateKey("toy"));
      const { running } = JSON.parse(Buffer.from(stored!.body).toString("utf8"));
      return (running as unknown[]).filter(Array.isArray).map(([number]) => number as number);
    };
    let most = 0;
    await harness.runToEnd(async (step) => {
      const inSegments = await savedInSegments();
      const [first] = inSegments;
      const [fresh, known] = [
        await harness.newCoordinator().read("toy"),
        await harness.coordinator.read("toy"),
      ];
      assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
      if (most === 0 && first !== undefined) {
        const key = runningTrialSegmentKey("toy", Math.floor(first / SEGMENT_SIZE));
        const stored = (await harness.store.get(key))!;
        await harness.store.delete(key);
        await assert.rejects(harness.newCoordinator().read("toy"), DamagedRecordError, `${step}`);
        await harness.store.put(key, stored.body);
      }
      most = Math.max(most, inSegments.length);
    });
    assert.ok(most >= 16, `${most}`);
  });

  test("a run whose coordinator is replaced before every event ends the same way", async () => {
    await fc.assert(
      fc.asyncProperty(optionsArbitrary, async (options) => {
        const uninterrupted = await new CoordinatorHarness(toyRequest(options)).runToEnd();
        const harness = new CoordinatorHarness(toyRequest(options));
        const state = await harness.runToEnd(async () => {
          harness.coordinator = harness.newCoordinator();
          // The new coordinator does not know what the last one sent, so it sends it again with the same
          // attempt.
          await harness.handle([harness.event({ type: "Tick" })]);
          await harness.takeJobs();
          harness.at--;
        });
        assert.deepEqual(state.finished, uninterrupted.finished);
        assert.equal(state.phase, "done");
      }),
      { numRuns: 10 },
    );
  });

  test("coordinators that alternate with outdated cached states lose and duplicate nothing", async () => {
    const turns = fc.array(fc.nat(2), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(turns, async (picks) => {
        const harness = new CoordinatorHarness(toyRequest({ maxTrials: 50, parallel: 4 }));
        const others = [harness.coordinator, harness.newCoordinator(), harness.newCoordinator()];
        const state = await harness.runToEnd(async (step) => {
          harness.coordinator = others[picks[step % picks.length]!]!;
        });
        assert.deepEqual(
          state.finished.map(({ number }) => number).sort((a, b) => a - b),
          [...Array(51).keys()],
        );
      }),
      { numRuns: 12 },
    );
  });

  test("a batch of events is saved once", async () => {
    const store = new CountingStore();
    const harness = new CoordinatorHarness(toyRequest({ parallel: 6, maxTrials: 12 }), store);
    await harness.start();
    const [statistics] = await harness.takeJobs();
    await harness.handle([await harness.answer(statistics!)]);
    const references = await Promise.all((await harness.takeJobs()).map((job) => harness.answer(job)));
    store.stateSaves = 0;
    await harness.handle(references);
    assert.equal(store.stateSaves, 1);
    assert.equal((await harness.takeJobs()).length, 6);
  });

  test("the sampler is asked while the state is saved", async () => {
    let asked = (): void => {};
    const hasAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const study: Study = {
      ...toyStudy,
      createSampler(request, sensitivity) {
        const sampler = toyStudy.createSampler(request, sensitivity);
        return {
          ...sampler,
          ask(trial) {
            asked();
            return sampler.ask(trial);
          },
        };
      },
    };
    const store = new CountingStore();
    const harness = new CoordinatorHarness(toyRequest({ parallel: 3 }), store, study);
    await harness.start();
    for (let i = 0; i < 2; i++)
      await harness.handle(await Promise.all((await harness.takeJobs()).map((job) => harness.answer(job))));
    const last = await Promise.all((await harness.takeJobs()).map((job) => harness.answer(job)));
    store.saved = () => hasAsked;
    await harness.handle(last);
    assert.equal((await harness.takeJobs()).length, 3);
  });

  test("a coordinator that loads open trials proposes what its predecessor has sent", async () => {
    const harness = new CoordinatorHarness(toyRequest({ parallel: 5, maxTrials: 60 }));
    let found = 0;
    await harness.runToEnd(async () => {
      const stored = await harness.store.get(stateKey("toy"));
      const { running } = JSON.parse(Buffer.from(stored!.body).toString("utf8")) as { running: unknown[] };
      found += running.filter(
        (trial) => !Array.isArray(trial) && !Object.hasOwn(trial as object, "configuration"),
      ).length;
      const [fresh, known] = [
        await harness.newCoordinator().read("toy"),
        await harness.coordinator.read("toy"),
      ];
      assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
    });
    assert.ok(found > 40, `${found}`);
  });

  test("an event that changes nothing is not saved", async () => {
    const store = new CountingStore();
    const harness = new CoordinatorHarness(toyRequest(), store);
    await harness.start();
    store.stateSaves = 0;
    await harness.handle([harness.event({ type: "Tick" })]);
    assert.equal(store.stateSaves, 0);
  });

  test("jobs are sent only after the state that asks for them was saved", async () => {
    const store = new CountingStore();
    const harness = new CoordinatorHarness(toyRequest(), store);
    store.failStateSaves = true;
    await assert.rejects(harness.start(), /refused/);
    assert.deepEqual(await harness.takeJobs(), []);
    store.failStateSaves = false;
    await harness.start();
    assert.equal((await harness.takeJobs()).length, 1);
  });

  test("jobs that could not be sent are sent with the next event", async () => {
    const harness = new CoordinatorHarness(toyRequest());
    const { jobs } = harness;
    const send = jobs.send.bind(jobs);
    jobs.send = async () => {
      throw new Error("the queue is down");
    };
    await assert.rejects(harness.start(), /the queue is down/);
    jobs.send = send;
    await harness.handle([harness.event({ type: "Tick" })]);
    assert.equal((await harness.takeJobs()).length, 1);
  });

  test("an event of a run that was never requested changes nothing", async () => {
    const harness = new CoordinatorHarness(toyRequest());
    assert.equal(await harness.handle([harness.event({ type: "Tick" })]), undefined);
    assert.equal(await harness.store.get(stateKey("toy")), undefined);
  });

  test("a second request under a run's id does not replace the first", async () => {
    const harness = new CoordinatorHarness(toyRequest({ seed: 1 }));
    await harness.start();
    const other = harness.newCoordinator();
    const request = toyRequest({ seed: 2 });
    const event = { version: MESSAGE_VERSION, type: "RunRequested", runId: "toy", at: 5, request } as const;
    assert.equal((await other.handle("toy", [event]))?.request.seed, 1);
  });

  test("restored trials that are missing, different or too few are reported with their key", async () => {
    const unrestored = toyRequest();
    const trial = {
      number: 0,
      origin: { run: "earlier", trial: 0 },
      configuration: null,
      ...{ seen: 0, askedAt: 0, endedAt: 0, attempts: 1 },
      state: "failed" as const,
      reason: "none",
    };
    const { reference, body } = writeRestoredRecord(unrestored.space, [trial]);
    const start = (restored: typeof reference, stored?: Uint8Array) => {
      const harness = new CoordinatorHarness({ ...unrestored, restored });
      return (stored ? harness.store.put(restoredKey(reference.sha256), stored) : Promise.resolve()).then(
        () => harness.start(),
      );
    };
    assert.equal((await start(reference, body))?.finished.length, 1);
    await assert.rejects(start(reference), /restored\/[0-9a-f]{64}\.json is missing/);
    await assert.rejects(start(reference, Buffer.from("{}")), /is not what its hash says/);
    await assert.rejects(start({ ...reference, trials: 2 }, body), /has 1 trials instead of 2/);
  });

  test("a damaged state is reported with its key", async () => {
    const harness = new CoordinatorHarness(toyRequest());
    await harness.start();
    await harness.store.put(stateKey("toy"), Buffer.from("{"));
    await assert.rejects(harness.newCoordinator().read("toy"), DamagedRecordError);
    await harness.store.put(stateKey("toy"), Buffer.from('{"version":1}'));
    await assert.rejects(harness.newCoordinator().read("toy"), /runs\/toy\/state\.json/);
  });
});

/**
 * Marks of sent jobs and written segments are saved with the next event, so the store may not have them yet.
 */
function withoutMarks(state: RunState | undefined) {
  assert.ok(state);
  const json = JSON.stringify({ ...state, sealedSegments: 0 }, (key, value) =>
    key === "sent" ? undefined : value,
  );
  return JSON.parse(json) as unknown;
}

class CountingStore extends MemoryObjectStore {
  stateSaves = 0;
  failStateSaves = false;
  /** A save ends when this resolves. */
  saved: () => Promise<void> = async () => {};

  override async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    if (key === stateKey("toy")) {
      if (this.failStateSaves) throw new Error("refused");
      this.stateSaves++;
      await this.saved();
    }
    return super.put(key, body, condition);
  }
}
