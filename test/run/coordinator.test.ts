import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { type Job, jobSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/protocol/messages.js";
import { askedKey, restoredKey, SEGMENT_SIZE, stateKey } from "../../shared/run/protocol/record-keys.js";
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

/** Few enough for runs of this size to have more and less. */
const MANY_RUNNING = 4;

class Bench {
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
      manyRunning: MANY_RUNNING,
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

  /** Answers one job after the other; `before` each event there is the chance to disturb. */
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
        const bench = new Bench(toyRequest(options));
        const compare = async (): Promise<void> => {
          const fresh = await bench.newCoordinator().read("toy");
          const known = await bench.coordinator.read("toy");
          assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
        };
        await bench.runToEnd(async (step) => {
          if (step % 7 === 0) await compare();
        });
        await compare();
      }),
      { numRuns: 10 },
    );
  });

  test("what many running trials were asked with lies in records of its own, and is missed when it is gone", async () => {
    const bench = new Bench(toyRequest({ groups: 8, maxTrials: 40, parallel: 24 }));
    /** Numbers of the trials that the state document has without what they were asked with. */
    const savedApart = async (): Promise<readonly number[]> => {
      const stored = await bench.store.get(stateKey("toy"));
      const { running } = JSON.parse(Buffer.from(stored!.body).toString("utf8"));
      return (running as unknown[]).filter(Array.isArray).map(([number]) => number as number);
    };
    let most = 0;
    await bench.runToEnd(async (step) => {
      const apart = await savedApart();
      const [first] = apart;
      const [fresh, known] = [await bench.newCoordinator().read("toy"), await bench.coordinator.read("toy")];
      assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
      if (most === 0 && first !== undefined) {
        const key = askedKey("toy", Math.floor(first / SEGMENT_SIZE));
        const stored = (await bench.store.get(key))!;
        await bench.store.delete(key);
        await assert.rejects(bench.newCoordinator().read("toy"), DamagedRecordError, `${step}`);
        await bench.store.put(key, stored.body);
      }
      most = Math.max(most, apart.length);
    });
    assert.ok(most >= 16, `${most}`);
  });

  test("a coordinator replaced before every event ends the run the same way", async () => {
    await fc.assert(
      fc.asyncProperty(optionsArbitrary, async (options) => {
        const undisturbed = await new Bench(toyRequest(options)).runToEnd();
        const bench = new Bench(toyRequest(options));
        const state = await bench.runToEnd(async () => {
          bench.coordinator = bench.newCoordinator();
          // What the last one sent is not known to have been sent, so it is sent again, under the same number.
          await bench.handle([bench.event({ type: "Tick" })]);
          await bench.takeJobs();
          bench.at--;
        });
        assert.deepEqual(state.finished, undisturbed.finished);
        assert.equal(state.phase, "done");
      }),
      { numRuns: 10 },
    );
  });

  test("coordinators that all hold the run, each an outdated state, lose nothing and double nothing", async () => {
    const turns = fc.array(fc.nat(2), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(turns, async (picks) => {
        const bench = new Bench(toyRequest({ maxTrials: 50, parallel: 4 }));
        const others = [bench.coordinator, bench.newCoordinator(), bench.newCoordinator()];
        const state = await bench.runToEnd(async (step) => {
          bench.coordinator = others[picks[step % picks.length]!]!;
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
    const bench = new Bench(toyRequest({ parallel: 6, maxTrials: 12 }), store);
    await bench.start();
    const [statistics] = await bench.takeJobs();
    await bench.handle([await bench.answer(statistics!)]);
    const references = await Promise.all((await bench.takeJobs()).map((job) => bench.answer(job)));
    store.stateSaves = 0;
    await bench.handle(references);
    assert.equal(store.stateSaves, 1);
    assert.equal((await bench.takeJobs()).length, 6);
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
    const bench = new Bench(toyRequest({ parallel: 3 }), store, study);
    await bench.start();
    for (let i = 0; i < 2; i++)
      await bench.handle(await Promise.all((await bench.takeJobs()).map((job) => bench.answer(job))));
    const last = await Promise.all((await bench.takeJobs()).map((job) => bench.answer(job)));
    store.saved = () => hasAsked;
    await bench.handle(last);
    assert.equal((await bench.takeJobs()).length, 3);
  });

  test("a coordinator that finds open trials asks for what its predecessor has sent", async () => {
    const bench = new Bench(toyRequest({ parallel: 5, maxTrials: 60 }));
    let found = 0;
    await bench.runToEnd(async () => {
      const stored = await bench.store.get(stateKey("toy"));
      const { running } = JSON.parse(Buffer.from(stored!.body).toString("utf8")) as { running: unknown[] };
      found += running.filter(
        (trial) => !Array.isArray(trial) && !Object.hasOwn(trial as object, "configuration"),
      ).length;
      const [fresh, known] = [await bench.newCoordinator().read("toy"), await bench.coordinator.read("toy")];
      assert.deepEqual(withoutMarks(fresh), withoutMarks(known));
    });
    assert.ok(found > 40, `${found}`);
  });

  test("an event that changes nothing is not saved", async () => {
    const store = new CountingStore();
    const bench = new Bench(toyRequest(), store);
    await bench.start();
    store.stateSaves = 0;
    await bench.handle([bench.event({ type: "Tick" })]);
    assert.equal(store.stateSaves, 0);
  });

  test("jobs are sent only after the state that asks for them was saved", async () => {
    const store = new CountingStore();
    const bench = new Bench(toyRequest(), store);
    store.failStateSaves = true;
    await assert.rejects(bench.start(), /refused/);
    assert.deepEqual(await bench.takeJobs(), []);
    store.failStateSaves = false;
    await bench.start();
    assert.equal((await bench.takeJobs()).length, 1);
  });

  test("jobs that could not be sent are sent with the next event", async () => {
    const bench = new Bench(toyRequest());
    const { jobs } = bench;
    const send = jobs.send.bind(jobs);
    jobs.send = async () => {
      throw new Error("the queue is down");
    };
    await assert.rejects(bench.start(), /the queue is down/);
    jobs.send = send;
    await bench.handle([bench.event({ type: "Tick" })]);
    assert.equal((await bench.takeJobs()).length, 1);
  });

  test("what concerns no run that was requested changes nothing", async () => {
    const bench = new Bench(toyRequest());
    assert.equal(await bench.handle([bench.event({ type: "Tick" })]), undefined);
    assert.equal(await bench.store.get(stateKey("toy")), undefined);
  });

  test("a second request under a run's id does not replace the first", async () => {
    const bench = new Bench(toyRequest({ seed: 1 }));
    await bench.start();
    const other = bench.newCoordinator();
    const request = toyRequest({ seed: 2 });
    const event = { version: MESSAGE_VERSION, type: "RunRequested", runId: "toy", at: 5, request } as const;
    assert.equal((await other.handle("toy", [event]))?.request.seed, 1);
  });

  test("trials to begin with that are missing, others or too few are reported with their key", async () => {
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
      const bench = new Bench({ ...unrestored, restored });
      return (stored ? bench.store.put(restoredKey(reference.sha256), stored) : Promise.resolve()).then(() =>
        bench.start(),
      );
    };
    assert.equal((await start(reference, body))?.finished.length, 1);
    await assert.rejects(start(reference), /restored\/[0-9a-f]{64}\.json is missing/);
    await assert.rejects(start(reference, Buffer.from("{}")), /is not what its hash says/);
    await assert.rejects(start({ ...reference, trials: 2 }, body), /has 1 trials instead of 2/);
  });

  test("a damaged state is reported with its key", async () => {
    const bench = new Bench(toyRequest());
    await bench.start();
    await bench.store.put(stateKey("toy"), Buffer.from("{"));
    await assert.rejects(bench.newCoordinator().read("toy"), DamagedRecordError);
    await bench.store.put(stateKey("toy"), Buffer.from('{"version":1}'));
    await assert.rejects(bench.newCoordinator().read("toy"), /runs\/toy\/state\.json/);
  });
});

/** That something was sent or sealed is saved with the next event, so the store may not know it yet. */
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
  /** A save takes until then. */
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
