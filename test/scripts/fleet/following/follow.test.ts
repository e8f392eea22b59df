import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextInterval, type PolledRun, pollUntilEnded } from "../../../../scripts/fleet/following/follow.js";
import { type RunView, viewRun } from "../../../../scripts/fleet/following/run-view.js";
import { StoreUnavailableError } from "../../../../shared/storage/errors.js";
import { runToy } from "../../../run/run-toy.js";
import { toyRequest, toyStudy } from "../../../run/toy-study.js";

const { state: ended } = runToy(toyRequest({ maxTrials: 10 }), toyStudy);
const viewOf = (phase: typeof ended.phase): RunView =>
  viewRun(toyStudy, { ...ended, phase }, ended.lastAt, 2);

/** A run whose reads return these views (or throw these errors) in turn, and the last one from then on. */
function runShowing(...seen: (RunView | Error | undefined)[]): PolledRun {
  let next = 0;
  const read = async () => {
    const now = seen[Math.min(next++, seen.length - 1)];
    if (now instanceof Error) throw now;
    return now;
  };
  return { runId: "toy", read, isRequested: () => false };
}

const AT_ONCE = { intervalSeconds: 0 };

describe("following a run", () => {
  test("waits until the fleet takes the run up, and ends with the run", async () => {
    for (const last of ["done", "failed"] as const) {
      const views = runShowing(undefined, undefined, viewOf("statistics"), viewOf("search"), viewOf(last));
      const phases = [];
      const asked = { ...views, isRequested: () => true };
      for await (const { progress } of pollUntilEnded(asked, AT_ONCE)) phases.push(progress.phase);
      assert.deepEqual(phases, ["statistics", "search", last]);
    }
  });

  test("gives up on a run that does not exist, or that disappears", async () => {
    await assert.rejects(pollUntilEnded(runShowing(undefined), AT_ONCE).next(), /The fleet holds no run toy/);
    const gone = pollUntilEnded(runShowing(viewOf("search"), undefined), AT_ONCE);
    await gone.next();
    await assert.rejects(gone.next(), /The fleet holds no run toy/);
  });

  test("reports that the fleet has not taken up a requested run", async () => {
    const neverTakenUp = pollUntilEnded(
      { ...runShowing(undefined), isRequested: () => true },
      { ...AT_ONCE, patienceSeconds: 0 },
    );
    await assert.rejects(neverTakenUp.next(), {
      code: "RUN_FAILED",
      message: /^Run toy was requested, but the fleet has not taken it up within 0 s/,
    });
  });

  test("tolerates a short outage of the bucket, but not a refusal", async () => {
    const seen = [viewOf("search"), new StoreUnavailableError("runs/toy/state.json"), viewOf("done")];
    const phases = [];
    for await (const { progress } of pollUntilEnded(runShowing(...seen), AT_ONCE))
      phases.push(progress.phase);
    assert.deepEqual(phases, ["search", "done"]);
    const refused = pollUntilEnded(runShowing(new Error("AccessDenied")), AT_ONCE);
    await assert.rejects(refused.next(), /AccessDenied/);
  });

  test("ends when it is aborted, also between two reads", async () => {
    const stop = new AbortController();
    const following = pollUntilEnded(runShowing(viewOf("search")), {
      intervalSeconds: 3_600,
      signal: stop.signal,
    });
    assert.equal((await following.next()).value?.progress.phase, "search");
    const next = following.next();
    stop.abort();
    await assert.rejects(next, { name: "AbortError" });
  });

  test("reads often at first, and every two seconds in a long run", () => {
    assert.deepEqual([0, 4, 10, 40, 3_600].map(nextInterval), [0.2, 0.2, 0.5, 2, 2]);
  });

  test("ends when the consumer stops iterating", async () => {
    let reads = 0;
    const read = async (): Promise<RunView> => {
      reads++;
      return viewOf("search");
    };
    for await (const { latest } of pollUntilEnded({ ...runShowing(), read }, AT_ONCE)) {
      assert.equal(latest.length, 2);
      if (reads === 3) break;
    }
    assert.equal(reads, 3);
  });
});
