import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TickSwitch } from "../../functions/coordinator/tick-switch.js";

export interface TickSwitchUnderTest {
  readonly tick: TickSwitch;
  /** Advances time by a minute. */
  passMinute(): Promise<void>;
  /** Number of Ticks so far. */
  ticks(): number;
}

/** Conformance suite of TickSwitch, run against each adapter. */
export function describeTickSwitch(adapter: string, open: () => Promise<TickSwitchUnderTest>): void {
  describe(`TickSwitch: ${adapter}`, () => {
    test("is off initially", async () => {
      const { passMinute, ticks } = await open();
      await passMinute();
      assert.equal(ticks(), 0);
    });

    test("ticks every minute while it is on", async () => {
      const { tick, passMinute, ticks } = await open();
      await tick.turnOn();
      await passMinute();
      await passMinute();
      assert.equal(ticks(), 2);
      await tick.turnOff();
      await passMinute();
      assert.equal(ticks(), 2);
      await tick.turnOn();
      await passMinute();
      assert.equal(ticks(), 3);
    });

    test("ticks once per minute however often it was turned on, and not at all after being turned off once", async () => {
      const { tick, passMinute, ticks } = await open();
      await Promise.all([tick.turnOn(), tick.turnOn()]);
      await tick.turnOn();
      await passMinute();
      assert.equal(ticks(), 1);
      await tick.turnOff();
      await tick.turnOff();
      await passMinute();
      assert.equal(ticks(), 1);
    });
  });
}
