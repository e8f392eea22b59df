import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decideRace,
  logChanceToReach,
  lookSchedule,
  pairedDifferences,
  RACE_DELTA,
  sampleOrder,
} from "../../shared/search/race.js";
import { createRandomStream } from "../../shared/search/random.js";

test("the sample order is a permutation that the seed fixes", () => {
  const order = sampleOrder(5, 1000);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.deepEqual(sampleOrder(5, 1000), order);
  assert.notDeepEqual(sampleOrder(6, 1000), order);
});

test("looks double from 64 and end with all samples", () => {
  assert.deepEqual(lookSchedule(1000), [64, 128, 256, 512, 1000]);
  assert.deepEqual(lookSchedule(64), [64]);
  assert.deepEqual(lookSchedule(10), [10]);
});

describe("the chance to reach a threshold", () => {
  test("follows the formula", () => {
    // By hand: 64 of 1000 seen, s^2 = (63 * 0.25 + 2) / 65 = 0.273077, times 1/64 - 1/1000 is 0.063196^2;
    // (-0.05 - 0.02) / 0.063196 = -1.107663, where the normal distribution function is 0.134004.
    const chance = logChanceToReach({ mean: -0.05, deviation: 0.5, count: 64 }, 0.02, 1000, 2);
    assert.ok(Math.abs(Math.exp(chance) - 0.134004) < 1e-5, `${Math.exp(chance)}`);
  });

  test("is certain of nothing before a sample was seen, or while nothing has differed", () => {
    assert.equal(logChanceToReach({ mean: 0, deviation: 0, count: 0 }, 1, 10, 2), 0);
    const same = logChanceToReach({ mean: 0, deviation: 0, count: 64 }, 0.005, 1000, 2);
    assert.ok(same > Math.log(0.3) && same < Math.log(0.5));
  });

  test("stops trials that would get there at most as often as promised", () => {
    const total = 1024;
    const runs = 600;
    let stopped = 0;
    for (let run = 0; run < runs; run++) {
      const random = createRandomStream(run, 0, "problem");
      // Rare differences between two classifiers: mostly 0, sometimes one is right and the other wrong.
      const differences = Float64Array.from({ length: total }, () => {
        const u = random.uniform();
        return u < 0.04 ? -1 : u < 0.08 ? 1 : 0;
      });
      const mean = differences.reduce((sum, d) => sum + d, 0) / total;
      const ordered = Array.from(sampleOrder(run, total), (sample) => differences[sample]!);
      const isStopped = lookSchedule(total).some((seen) => {
        const sample = pairedDifferences(ordered.slice(0, seen), new Float64Array(seen));
        // The mean over all is just reached: the worst case of all that do reach their threshold.
        return decideRace({ total, range: 2, bound: { differences: sample, least: mean } }) === "infeasible";
      });
      stopped += isStopped ? 1 : 0;
    }
    const promised = RACE_DELTA * (lookSchedule(total).length - 1);
    assert.ok(stopped / runs <= promised && stopped > 0, `${stopped} of ${runs}`);
  });
});

describe("the decision", () => {
  const clear = { mean: -0.9, deviation: 0.3, count: 512 };
  const close = { mean: -0.01, deviation: 0.3, count: 512 };
  const common = { total: 1024, range: 1 };
  test("infeasible when the bound will hardly be met", () => {
    assert.equal(decideRace({ ...common, bound: { differences: clear, least: -0.01 } }), "infeasible");
    assert.equal(decideRace({ ...common, bound: { differences: close, least: -0.005 } }), "continue");
  });
  test("dominated only by an incumbent that is better elsewhere too", () => {
    const incumbent = { differences: clear, betterElsewhere: true };
    assert.equal(decideRace({ ...common, incumbent }), "dominated");
    assert.equal(decideRace({ ...common, incumbent: { ...incumbent, betterElsewhere: false } }), "continue");
    assert.equal(decideRace({ ...common, incumbent: { ...incumbent, differences: close } }), "continue");
  });
  test("dominated at once where accuracy is only a bound", () => {
    assert.equal(decideRace({ ...common, incumbent: { betterElsewhere: true } }), "dominated");
    assert.equal(decideRace({ ...common, incumbent: { betterElsewhere: false } }), "continue");
  });
  test("what has seen all samples is complete, whatever they say", () => {
    const all = { ...clear, count: 1024 };
    assert.equal(
      decideRace({
        ...common,
        bound: { differences: all, least: 0 },
        incumbent: { differences: all, betterElsewhere: true },
      }),
      "continue",
    );
  });
});

test("paired differences need no scores beyond the shorter of both", () => {
  const { mean, deviation, count } = pairedDifferences([1, 0, 1, 1], [0, 0, 2]);
  assert.equal(mean, 0);
  assert.equal(deviation, 1);
  assert.equal(count, 3);
});
