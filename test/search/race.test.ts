import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  bernsteinSerflingHalfWidth,
  decideRace,
  lookSchedule,
  pairedDifferences,
  sampleOrder,
  spentDelta,
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

test("all looks together spend delta once", () => {
  let spent = 0;
  for (let look = 1; look <= 100_000; look++) {
    spent += spentDelta(0.1, look);
  }
  assert.ok(spent < 0.1 && spent > 0.0999);
});

describe("the Bernstein-Serfling half-width", () => {
  test("follows the formula on both sides of the half", () => {
    // By hand: delta 0.05, ln 100 = 4.605170; kappa = 2.333333 + 2.121320 = 4.454654.
    // n 64 of 1000: rho 0.937, 0.5 sqrt(2 * 0.937 * 4.605170 / 64) + 4.454654 * 2 * 4.605170 / 64
    const early = bernsteinSerflingHalfWidth({ deviation: 0.5, count: 64 }, 1000, 2, 0.05);
    assert.ok(Math.abs(early - 0.824686) < 1e-5, `${early}`);
    // n 800 of 1000: rho 0.2 * 1.00125, 0.5 sqrt(2 * 0.20025 * 4.605170 / 800) + 4.454654 * 2 * 4.605170 / 800
    const late = bernsteinSerflingHalfWidth({ deviation: 0.5, count: 800 }, 1000, 2, 0.05);
    assert.ok(Math.abs(late - 0.075295) < 1e-5, `${late}`);
  });

  test("is nothing when all samples were seen, and everything when none was", () => {
    assert.equal(bernsteinSerflingHalfWidth({ deviation: 1, count: 10 }, 10, 1, 0.1), 0);
    assert.equal(
      bernsteinSerflingHalfWidth({ deviation: 0, count: 0 }, 10, 1, 0.1),
      Number.POSITIVE_INFINITY,
    );
  });

  test("covers the mean of all samples at every look at least as often as promised", () => {
    const total = 1024;
    const delta = 0.1;
    let missed = 0;
    const runs = 400;
    for (let run = 0; run < runs; run++) {
      const random = createRandomStream(run, 0, "problem");
      // Rare differences between two classifiers: mostly 0, sometimes one is right and the other wrong.
      const differences = Float64Array.from({ length: total }, () => {
        const u = random.uniform();
        return u < 0.04 ? -1 : u < 0.06 ? 1 : 0;
      });
      const mean = differences.reduce((sum, d) => sum + d, 0) / total;
      const ordered = Array.from(sampleOrder(run, total), (sample) => differences[sample]!);
      const outside = lookSchedule(total).some((seen, index) => {
        const sample = pairedDifferences(ordered.slice(0, seen), new Float64Array(seen));
        const half = bernsteinSerflingHalfWidth(sample, total, 2, spentDelta(delta, index + 1));
        return Math.abs(sample.mean - mean) > half;
      });
      missed += outside ? 1 : 0;
    }
    assert.ok(missed / runs <= delta, `${missed} of ${runs}`);
  });
});

describe("the decision", () => {
  const clear = { mean: -0.9, deviation: 0.3, count: 512 };
  const close = { mean: -0.01, deviation: 0.3, count: 512 };
  const common = { look: 4, total: 1024, range: 1 };
  test("infeasible when even the optimistic end misses the bound", () => {
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
