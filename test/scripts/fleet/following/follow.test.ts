import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Looks, lookUntilEnded, nextInterval } from "../../../../scripts/fleet/following/follow.js";
import { type RunView, viewRun } from "../../../../scripts/fleet/following/run-view.js";
import { StoreUnavailableError } from "../../../../shared/storage/errors.js";
import { runToy } from "../../../run/toy-desk.js";
import { toyRequest, toyStudy } from "../../../run/toy-study.js";

const { state: ended } = runToy(toyRequest({ maxTrials: 10 }), toyStudy);
const viewOf = (phase: typeof ended.phase): RunView =>
  viewRun(toyStudy, { ...ended, phase }, ended.lastAt, 2);

/** Looks that see one thing after the other, or are not answered, and the last again and again. */
function looks(...seen: (RunView | Error | undefined)[]): Looks {
  let next = 0;
  const look = async () => {
    const now = seen[Math.min(next++, seen.length - 1)];
    if (now instanceof Error) throw now;
    return now;
  };
  return { runId: "toy", look, isAskedFor: () => false };
}

const AT_ONCE = { intervalSeconds: 0 };

describe("following a run", () => {
  test("waits for it to be heard of, and ends with it", async () => {
    for (const last of ["done", "failed"] as const) {
      const views = looks(undefined, undefined, viewOf("statistics"), viewOf("search"), viewOf(last));
      const phases = [];
      const asked = { ...views, isAskedFor: () => true };
      for await (const { progress } of lookUntilEnded(asked, AT_ONCE)) phases.push(progress.phase);
      assert.deepEqual(phases, ["statistics", "search", last]);
    }
  });

  test("gives up on a run that nobody has heard of, or that is gone", async () => {
    await assert.rejects(lookUntilEnded(looks(undefined), AT_ONCE).next(), /The fleet holds no run toy/);
    const gone = lookUntilEnded(looks(viewOf("search"), undefined), AT_ONCE);
    await gone.next();
    await assert.rejects(gone.next(), /The fleet holds no run toy/);
  });

  test("says of a run that was asked for that the fleet has not taken it up", async () => {
    const unheard = lookUntilEnded(
      { ...looks(undefined), isAskedFor: () => true },
      { ...AT_ONCE, patienceSeconds: 0 },
    );
    await assert.rejects(unheard.next(), {
      code: "RUN_FAILED",
      message: /^Run toy was asked for, and for 0 s/,
    });
  });

  test("goes on where the bucket does not answer for a while, and not where it refuses", async () => {
    const seen = [viewOf("search"), new StoreUnavailableError("runs/toy/state.json"), viewOf("done")];
    const phases = [];
    for await (const { progress } of lookUntilEnded(looks(...seen), AT_ONCE)) phases.push(progress.phase);
    assert.deepEqual(phases, ["search", "done"]);
    const refused = lookUntilEnded(looks(new Error("AccessDenied")), AT_ONCE);
    await assert.rejects(refused.next(), /AccessDenied/);
  });

  test("ends when it is aborted, also while it waits for the next look", async () => {
    const stop = new AbortController();
    const following = lookUntilEnded(looks(viewOf("search")), {
      intervalSeconds: 3_600,
      signal: stop.signal,
    });
    assert.equal((await following.next()).value?.progress.phase, "search");
    const next = following.next();
    stop.abort();
    await assert.rejects(next, { name: "AbortError" });
  });

  test("looks often at first, and every two seconds at a long run", () => {
    assert.deepEqual([0, 4, 10, 40, 3_600].map(nextInterval), [0.2, 0.2, 0.5, 2, 2]);
  });

  test("ends where the consumer has seen enough", async () => {
    let looked = 0;
    const look = async (): Promise<RunView> => {
      looked++;
      return viewOf("search");
    };
    for await (const { latest } of lookUntilEnded({ ...looks(), look }, AT_ONCE)) {
      assert.equal(latest.length, 2);
      if (looked === 3) break;
    }
    assert.equal(looked, 3);
  });
});
