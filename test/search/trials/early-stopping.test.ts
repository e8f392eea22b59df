import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import {
  decideStopping,
  logChanceToReach,
  lookSchedule,
  meanScores,
  pairedDifferences,
  STOPPING_PROBABILITY,
  sampleOrder,
  upperConfidenceBound,
} from "../../../shared/search/trials/early-stopping.js";

test("the sample order is a permutation that depends on the seed alone", () => {
  const order = sampleOrder(5, 1000);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.deepEqual(sampleOrder(5, 1000), order);
  assert.notDeepEqual(sampleOrder(6, 1000), order);
});

test("interim looks double from 64 samples and end with all samples", () => {
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

  test("is delta for the upper confidence bound at delta", () => {
    for (const delta of [0.01, 0.1, 0.4]) {
      const seen = { mean: -0.05, deviation: 0.5, count: 64 };
      const bound = upperConfidenceBound(seen, 1000, 2, delta);
      assert.ok(Math.abs(logChanceToReach(seen, bound, 1000, 2) - Math.log(delta)) < 1e-9);
    }
    // With the figures above: -0.05 + 1.281552 * 0.063196.
    const bound = upperConfidenceBound({ mean: -0.05, deviation: 0.5, count: 64 }, 1000, 2);
    assert.ok(Math.abs(bound - 0.030989) < 1e-5, `${bound}`);
  });

  test("is 1 before any sample is scored, and above 0 while all differences are equal", () => {
    assert.equal(logChanceToReach({ mean: 0, deviation: 0, count: 0 }, 1, 10, 2), 0);
    const same = logChanceToReach({ mean: 0, deviation: 0, count: 64 }, 0.005, 1000, 2);
    assert.ok(same > Math.log(0.3) && same < Math.log(0.5));
  });

  test("stops at most the promised share of the trials that would reach the threshold", () => {
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
        // The mean over all samples equals the threshold: the worst case of trials that reach it.
        return decideStopping({ total, range: 2, differences: sample, least: mean }) === "infeasible";
      });
      stopped += isStopped ? 1 : 0;
    }
    const promised = STOPPING_PROBABILITY * (lookSchedule(total).length - 1);
    assert.ok(stopped / runs <= promised && stopped > 0, `${stopped} of ${runs}`);
  });
});

describe("the decision", () => {
  const clear = { mean: -0.9, deviation: 0.3, count: 512 };
  const close = { mean: -0.01, deviation: 0.3, count: 512 };
  const common = { total: 1024, range: 1, differences: clear };
  test("infeasible when the bound is unlikely to be met", () => {
    assert.equal(decideStopping({ ...common, least: -0.01 }), "infeasible");
    assert.equal(decideStopping({ ...common, differences: close, least: -0.005 }), "continue");
  });
  test("dominated only by an incumbent that is better in the other objectives too", () => {
    const incumbent = { mean: 0, betterElsewhere: true };
    assert.equal(decideStopping({ ...common, incumbent }), "dominated");
    assert.equal(
      decideStopping({ ...common, incumbent: { ...incumbent, betterElsewhere: false } }),
      "continue",
    );
    assert.equal(decideStopping({ ...common, differences: close, incumbent }), "continue");
    assert.equal(decideStopping({ ...common, incumbent: { ...incumbent, mean: -0.9 } }), "continue");
  });
  test("dominated at a higher probability where accuracy only breaks a tie", () => {
    // Probability 0.13 to reach the incumbent: 0.0105 is 1.116 standard errors of 0.00941.
    const behind = { ...common, differences: { mean: -0.0105, deviation: 0.3, count: 512 } };
    const incumbent = { mean: 0, betterElsewhere: true };
    assert.equal(decideStopping({ ...behind, incumbent }), "continue");
    const tied = { ...incumbent, tie: true };
    assert.equal(decideStopping({ ...behind, incumbent: tied }), "dominated");
    assert.equal(decideStopping({ ...behind, incumbent: tied, delta: 0.01 }), "continue");
  });
  test("dominated at the first look where accuracy is only a constraint", () => {
    assert.equal(decideStopping({ ...common, incumbent: { betterElsewhere: true } }), "dominated");
    assert.equal(decideStopping({ ...common, incumbent: { betterElsewhere: false } }), "continue");
  });
  test("continue after all samples, whatever the differences", () => {
    const incumbent = { mean: 0, betterElsewhere: true };
    assert.equal(
      decideStopping({ ...common, differences: { ...clear, count: 1024 }, least: 0, incumbent }),
      "continue",
    );
  });
});

test("the mean of several models' scores is taken per sample", () => {
  assert.deepEqual(
    [...meanScores([Float32Array.of(1, 0, 0), Float32Array.of(1, 1, 0), Float32Array.of(1, 1, 0)])],
    [1, 2 / 3, 0],
  );
});

test("differences to the mean of several models vary less than those to any single model", () => {
  const total = 2000;
  const random = createRandomStream(3, 0, "problem");
  // Nine trials that fail on the same hard samples and each on a few others.
  const hard = Float64Array.from({ length: total }, () => random.uniform());
  const model = (): Float32Array =>
    Float32Array.from(hard, (difficulty) => (difficulty + 0.1 * random.normal() < 0.8 ? 1 : 0));
  const [trial, ...others] = Array.from({ length: 9 }, model);
  const spread = (reference: ArrayLike<number>): number => pairedDifferences(trial!, reference).deviation;
  const alone = others.map(spread);
  assert.ok(spread(meanScores(others)) < 0.85 * Math.min(...alone));
});

test("paired differences use the samples that both have scored", () => {
  const { mean, deviation, count } = pairedDifferences([1, 0, 1, 1], [0, 0, 2]);
  assert.equal(mean, 0);
  assert.equal(deviation, 1);
  assert.equal(count, 3);
});
