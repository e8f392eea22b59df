import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GrowingCholesky } from "../../../shared/search/numerics/cholesky.js";
import { complete } from "../../../shared/search/numerics/incremental-work.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";

/** A well conditioned symmetric matrix: B B' + I. */
function positiveDefinite(size: number): number[][] {
  const random = createRandomStream(size, 0, "problem");
  const b = Array.from({ length: size }, () => Array.from({ length: size }, () => random.normal()));
  return b.map((rowI, i) =>
    b.map((rowJ, j) => rowI.reduce((sum, value, k) => sum + value * rowJ[k]!, 0) + (i === j ? 1 : 0)),
  );
}

function factorize(matrix: readonly (readonly number[])[]): GrowingCholesky {
  const factor = new GrowingCholesky();
  for (const [i, row] of matrix.entries()) {
    factor.append(row.slice(0, i + 1));
  }
  return factor;
}

describe("a growing Cholesky factor", () => {
  const matrix = positiveDefinite(17);
  const expected = Array.from({ length: 17 }, (_, i) => i - 8);
  const b = matrix.map((row) => row.reduce((sum, value, j) => sum + value * expected[j]!, 0));

  test("solves the system", () => {
    for (const [i, value] of factorize(matrix).solve(b).entries()) {
      assert.ok(Math.abs(value - expected[i]!) < 1e-9);
    }
  });

  test("solves the same after rows were removed and appended again", () => {
    const factor = factorize(matrix);
    factor.truncate(5);
    assert.equal(factor.size, 5);
    for (let i = 5; i < 17; i++) {
      factor.append(matrix[i]!.slice(0, i + 1));
    }
    assert.deepEqual(factor.solve(b), factorize(matrix).solve(b));
  });

  test("predicts its last row from those before", () => {
    const weights = factorize(matrix).lastRowWeights();
    const expectedWeights = factorize(matrix.slice(0, 16)).solve(matrix[16]!.slice(0, 16));
    assert.equal(weights.length, 16);
    for (const [i, weight] of weights.entries()) {
      assert.ok(Math.abs(weight - expectedWeights[i]!) < 1e-9);
    }
  });

  test("inverts", () => {
    const inverse = complete(factorize(matrix).invert());
    const at = (i: number, j: number) =>
      inverse[(Math.max(i, j) * (Math.max(i, j) + 1)) / 2 + Math.min(i, j)]!;
    for (let i = 0; i < 17; i++) {
      for (let j = 0; j < 17; j++) {
        const product = matrix[i]!.reduce((sum, value, k) => sum + value * at(k, j), 0);
        assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-9);
      }
    }
  });
});
