import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ActiveRuns } from "../../functions/coordinator/active-runs.js";
import type { TickSwitch } from "../../functions/coordinator/tick-switch.js";
import type { RunState } from "../../shared/run/protocol/state.js";
import { MemoryObjectStore } from "../../shared/storage/memory-store.js";
import { toyRequest } from "../run/toy-study.js";
import { InProcessTickSwitch } from "./in-process-tick-switch.js";

const run = (runId: string, phase: RunState["phase"]): RunState =>
  ({ request: toyRequest({ runId }), phase }) as RunState;

function open() {
  const store = new MemoryObjectStore();
  const tick = new InProcessTickSwitch(async () => undefined);
  return { store, tick, active: new ActiveRuns(store, tick) };
}

describe("The Tick", () => {
  test("is on from the start of the first run to the end of the last one", async () => {
    const { tick, active } = open();
    await active.update(run("one", "statistics"));
    assert.ok(tick.isOn);
    await active.update(run("two", "search"));
    await active.update(run("one", "done"));
    assert.ok(tick.isOn);
    assert.deepEqual(await active.listForTick(), ["two"]);
    await active.update(run("two", "failed"));
    assert.ok(!tick.isOn);
  });

  test("is turned off when it arrives and there is no run", async () => {
    const { tick, active } = open();
    await tick.turnOn();
    assert.deepEqual(await active.listForTick(), []);
    assert.ok(!tick.isOn);
  });

  test("stays on for a run that starts while the end of the last other run turns it off", async () => {
    const { store, tick } = open();
    // The other coordinator lists its run and finds the Tick on just before this one turns it off.
    const racing: TickSwitch = {
      turnOn: () => tick.turnOn(),
      async turnOff() {
        await new ActiveRuns(store, tick).update(run("late", "statistics"));
        await tick.turnOff();
      },
    };
    const active = new ActiveRuns(store, racing);
    await active.update(run("one", "search"));
    await active.update(run("one", "done"));
    assert.ok(tick.isOn);
  });

  test("is turned on again by the coordinator that receives the events of one that died after turning it off", async () => {
    const { store, tick } = open();
    const dying: TickSwitch = {
      turnOn: () => tick.turnOn(),
      async turnOff() {
        await new ActiveRuns(store, tick).update(run("late", "statistics"));
        await tick.turnOff();
        throw new Error("killed");
      },
    };
    const active = new ActiveRuns(store, dying);
    await active.update(run("one", "search"));
    await assert.rejects(active.update(run("one", "done")), /killed/);
    assert.ok(!tick.isOn);
    await new ActiveRuns(store, tick).update(run("one", "done"));
    assert.ok(tick.isOn);
  });

  test("is turned on again for a run that is resumed after another coordinator ended it", async () => {
    const { store, tick, active } = open();
    await active.update(run("one", "search"));
    await new ActiveRuns(store, tick).update(run("one", "done"));
    assert.ok(!tick.isOn);
    await active.update(run("one", "search"), true);
    assert.ok(tick.isOn);
    assert.deepEqual(await active.listForTick(), ["one"]);
  });

  test("is turned on although the coordinator died between listing the run and turning it on", async () => {
    const { store, tick } = open();
    const dying: TickSwitch = {
      turnOn: () => Promise.reject(new Error("killed")),
      turnOff: () => tick.turnOff(),
    };
    await assert.rejects(new ActiveRuns(store, dying).update(run("one", "search")), /killed/);
    await new ActiveRuns(store, tick).update(run("one", "search"));
    assert.ok(tick.isOn);
  });
});
