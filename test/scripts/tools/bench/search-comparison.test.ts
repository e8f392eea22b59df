import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compare, meanRatio } from "../../../../scripts/tools/bench/search/comparison.js";
import { findLine, type OptunaLine } from "../../../../scripts/tools/bench/search/optuna.js";
import { parseProblem } from "../../../../scripts/tools/bench/search/problem.js";

describe("a comparison with Optuna", () => {
  const curves = [
    [5, 3, 1.5],
    [6, 2, 1.5],
    [7, 4, 2],
  ];
  test("is the ratio of both values after the same number of trials", () => {
    assert.deepEqual(compare(curves, 2, 5, 1), { trials: 2, ours: 3, optuna: 5, ratio: 0.5, reachedAt: 2 });
    assert.equal(compare(curves, 3, 2, 1).ratio, 0.5);
  });
  test("reports when Optuna's value was not reached", () => {
    assert.equal(compare(curves, 2, 2.5, 1).reachedAt, undefined);
    assert.equal(compare(curves, 3, 2.5, 1).reachedAt, 3);
  });
  test("does not divide by a regret of zero", () => {
    assert.equal(compare(curves, 3, 1.5, 1.5).ratio, 1);
    assert.equal(compare(curves, 2, 1.5, 1.5).ratio, Number.POSITIVE_INFINITY);
    assert.equal(compare(curves, 3, 2, 1.5 + 1e-15).ratio, 0);
    assert.ok(Math.abs(meanRatio([0, 1]) - 0.1) < 1e-12);
  });
});

test("a line of Optuna's output belongs to one file and one batch size", () => {
  const problem = parseProblem({ name: "p", parameters: [{ name: "a", choices: 1 }], main: [[0]] }, "p.json");
  const file = { path: "p.json", sha256: "here", problem };
  const line: OptunaLine = {
    problem: "p",
    sha256: "here",
    sampler: "Optuna",
    batch: 32,
    seeds: 1,
    trials: [1],
    median: [0],
  };
  assert.equal(findLine([line], file, 32), line);
  assert.equal(findLine([line], file, 1), undefined);
  assert.equal(findLine([{ ...line, sha256: "elsewhere" }], file, 32), undefined);
  assert.equal(findLine([{ ...line, problem: "q" }], file, 32), undefined);
  const { sha256: _, ...unsigned } = line;
  assert.equal(findLine([unsigned], file, 32), unsigned);
});
