import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { scheduleRefits } from "../../../shared/search/effects/refit-schedule.js";

describe("the refits", () => {
  test("never go back, use finished trials only, and are prepared before they are used", () => {
    let before = 0;
    const prepared = new Set<number>();
    for (let finished = 0; finished < 6000; finished++) {
      const { current, next } = scheduleRefits(finished, finished);
      assert.ok(current >= before && next >= current && next <= finished, `${finished}: ${current}, ${next}`);
      if (current > 256 && current !== before) {
        assert.ok(prepared.has(current), `${current} is used without having been prepared`);
        assert.ok(finished - current >= 64);
      }
      prepared.add(next);
      before = current;
    }
  });

  test("early on are used at once", () => {
    for (const trials of [3, 8, 64, 256]) {
      assert.deepEqual(scheduleRefits(trials, trials), { current: trials, next: trials });
    }
  });

  test("wait for running trials, up to a limit", () => {
    assert.equal(scheduleRefits(1000, 900).current, 896);
    assert.equal(scheduleRefits(1000, 100).current, 768);
    assert.equal(scheduleRefits(40, 3).current, 40);
  });
});
