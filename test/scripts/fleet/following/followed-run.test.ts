import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FollowedRun } from "../../../../scripts/fleet/following/followed-run.js";
import { viewRun } from "../../../../scripts/fleet/following/run-view.js";
import { SEGMENT_SIZE, segmentKey, stateKey } from "../../../../shared/run/protocol/record-keys.js";
import type { RunState } from "../../../../shared/run/protocol/state.js";
import { RunRecords } from "../../../../shared/run/records/run-records.js";
import { MemoryObjectStore } from "../../../../shared/storage/memory-store.js";
import type { ByteRange, StoredObject } from "../../../../shared/storage/object-store.js";
import { runToy } from "../../../run/run-toy.js";
import { toyRequest, toyStudy } from "../../../run/toy-study.js";

class CountingStore extends MemoryObjectStore {
  readonly read: string[] = [];

  override get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    this.read.push(key);
    return super.get(key, range);
  }
}

const { state: ended } = runToy(toyRequest({ maxTrials: 60, parallel: 3 }), toyStudy);

/** The state of the run after a number of finished trials. */
function after(trials: number): RunState {
  const { best: _, finishing: __, stop: ___, ...state } = ended;
  const sealedSegments = Math.floor(trials / SEGMENT_SIZE);
  return { ...state, phase: "search", finished: ended.finished.slice(0, trials), sealedSegments };
}

/** A run with a growing saved state, and a reader that follows it. */
async function followedRun() {
  const store = new CountingStore();
  const records = new RunRecords(store);
  let etag: string | undefined;
  let sealed = 0;
  const save = async (state: RunState): Promise<void> => {
    for (; sealed < state.sealedSegments; sealed++) {
      const trials = state.finished.slice(sealed * SEGMENT_SIZE, (sealed + 1) * SEGMENT_SIZE);
      await records.writeSegment(state.request, sealed, trials);
    }
    etag = await records.save(state, etag);
    store.read.length = 0;
  };
  let opened = 0;
  const run = new FollowedRun(store, "toy", async () => {
    opened++;
    return toyStudy;
  });
  return { store, records, save, run, timesOpened: () => opened };
}

describe("a run that is followed", () => {
  test("is absent before it is first saved", async () => {
    const { run } = await followedRun();
    assert.equal(await run.read(), undefined);
  });

  test("reads each segment once, and has the same state as a reader that loads everything", async () => {
    const { store, records, save, run, timesOpened } = await followedRun();
    await records.create(ended.request);
    let known = 0;
    for (const trials of [1, 5, 18, 20, 50, 61]) {
      const state = after(trials);
      await save(state);
      const seen = await run.read();
      const expected = [stateKey("toy")];
      for (; known < state.sealedSegments; known++) expected.push(segmentKey("toy", known));
      assert.deepEqual(
        store.read.filter((key) => key.includes("/trials/") || key === stateKey("toy")),
        expected,
      );
      const fresh = await new FollowedRun(store, "toy", async () => toyStudy).read();
      assert.deepEqual(seen?.state, fresh?.state);
      assert.deepEqual(seen?.state.finished, state.finished);
    }
    assert.equal((await run.read())?.state.best?.number, ended.best?.number);
    assert.equal(timesOpened(), 1);
  });
});

describe("the view of a run", () => {
  const view = viewRun(toyStudy, ended, ended.lastAt, 8);

  test("has the latest finished trials, latest first", () => {
    const numbers = ended.finished.map(({ number }) => number);
    assert.deepEqual(
      view.latest.map(({ number }) => number),
      numbers.slice(-8).reverse(),
    );
    assert.equal(view.best?.number, ended.best?.number);
    assert.equal(view.isa, "isa-a");
    assert.deepEqual(viewRun(toyStudy, ended, ended.lastAt, 0).latest, []);
  });

  test("compares trials with the float model", () => {
    const all = viewRun(toyStudy, ended, ended.lastAt, ended.finished.length).latest;
    const float = all.find(({ number }) => number === 0);
    assert.deepEqual(
      [float?.outcome, float?.sizeShare, float?.accuracyLoss, float?.withinBound],
      ["float", 1, 0, true],
    );
    const bytes = ended.best?.measurement.bytes ?? 0;
    assert.ok(ended.finished[0]?.state === "complete");
    assert.equal(view.best?.sizeShare, bytes / ended.finished[0].measurement.bytes);
  });

  test("has no comparison before the preset configuration is scored", () => {
    const [float] = viewRun(toyStudy, after(1), 0, 8).latest;
    assert.equal(float?.outcome, "float");
    assert.deepEqual(
      [float?.accuracyLoss, float?.sizeShare, float?.withinBound],
      [undefined, undefined, undefined],
    );
  });
});
