import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type OrdinalCovariance,
  ordinalCovariances,
  quadraticForm,
} from "../../../shared/search/effects/ordinal-covariance.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import { choiceCovariance, product, pseudoInverse, square } from "../dense-effects.js";

function covarianceOf(choices: number): OrdinalCovariance | undefined {
  const values = Array.from({ length: choices }, (_, code) => code);
  return ordinalCovariances(
    encodeSpace([{ name: "level", group: "level", kind: "ordinal", choices: values }]),
  )[0];
}

function assertClose(actual: readonly (readonly number[])[], expected: readonly (readonly number[])[]) {
  for (const [i, row] of expected.entries()) {
    for (const [j, value] of row.entries()) {
      assert.ok(Math.abs(actual[i]![j]! - value) < 1e-9, `${i}, ${j}: ${actual[i]![j]} for ${value}`);
    }
  }
}

describe("the prior covariance of an ordinal parameter's effects", () => {
  for (const choices of [3, 4, 16]) {
    const { covariance, root, precision } = covarianceOf(choices)!;
    const rows = (matrix: Float64Array) => square(choices, (i, j) => matrix[i * choices + j]!);

    test(`of ${choices} choices is centred and agrees with its root and its pseudo-inverse`, () => {
      const expected = choiceCovariance(choices, true);
      assertClose(rows(covariance), expected);
      const [own, inverse] = [rows(root), rows(precision)];
      assertClose(
        square(choices, (i, j) => product(own[i]!, own[j]!)),
        expected,
      );
      assertClose(inverse, pseudoInverse(expected));
    });

    test(`of ${choices} choices makes smooth effects more probable`, () => {
      const row = covariance.subarray(0, choices);
      assert.ok(row[0]! > row[1]! && row[1]! > row[choices - 1]!, `${row}`);
      // A slope is probable, a zigzag is not.
      const slope = Float64Array.from(row, (_, code) => code - (choices - 1) / 2);
      const zigzag = Float64Array.from(row, (_, code) => (code % 2) - (choices >> 1) / choices);
      const surprise = (effects: Float64Array) =>
        quadraticForm(precision, effects, 0, choices) /
        effects.reduce((total, effect) => total + effect * effect, 0);
      assert.ok(surprise(slope) < surprise(zigzag), `${surprise(slope)}, ${surprise(zigzag)}`);
    });
  }

  test("is undefined, as for categorical parameters, with two choices or without an order", () => {
    assert.equal(covarianceOf(2), undefined);
    const unordered = encodeSpace([{ name: "a", group: "a", kind: "categorical", choices: [0, 1, 2] }]);
    assert.deepEqual(ordinalCovariances(unordered), [undefined]);
  });
});
