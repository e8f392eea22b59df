import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { simulate } from "./simulate.js";
import { VirtualClock } from "./simulated/virtual-clock.js";

const SEEDS = 100;

describe("simulated runs", () => {
  test(`of ${SEEDS} seeds break no invariant`, async () => {
    const stops = new Set<string>();
    let failures = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { state } = await simulate(seed);
      stops.add(state.stop ?? state.phase);
      failures += state.finished.filter((trial) => trial.state === "failed").length;
    }
    // Otherwise the faults would be too rare or too frequent, and no invariant could be violated.
    for (const stop of ["max_trials", "cancelled", "max_cost_usd", "stop_on_target", "space_exhausted"])
      assert.ok(stops.has(stop), `no run ended by ${stop}`);
    assert.ok(failures > 0, "no trial failed");
  });

  test("are equal with equal seeds", async () => {
    for (const seed of [3, 25, 77]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      assert.deepEqual(second, first);
    }
  });
});

describe("virtual clock", () => {
  test("wakes sleepers by time, and in order among those of the same time", async () => {
    const clock = new VirtualClock(0);
    const woken: string[] = [];
    const sleeps = [30, 10, 20, 10, 30, 0].map((milliseconds, i) =>
      clock.sleep(milliseconds).then(() => void woken.push(`${milliseconds}/${i}`)),
    );
    assert.equal(await clock.runUntil(() => woken.length === sleeps.length), true);
    assert.deepEqual(woken, ["0/5", "10/1", "10/3", "20/2", "30/0", "30/4"]);
    assert.equal(clock.now(), 30);
  });

  test("stops when nothing waits any more", async () => {
    assert.equal(await new VirtualClock(0).runUntil(() => false), false);
  });

  test("wakes a sleeper whose signal is aborted, without advancing time", async () => {
    const clock = new VirtualClock(0);
    const stop = new AbortController();
    let woken = false;
    void clock.sleep(1_000, stop.signal).then(() => {
      woken = true;
    });
    stop.abort();
    await clock.runUntil(() => woken);
    assert.equal(clock.now(), 0);
  });
});
