import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { centredLogits } from "../../../shared/evaluation/quantizer/centred-logits.js";

fc.configureGlobal({ seed: 35 });

const dims = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 4 }),
  fc.integer({ min: 1, max: 3 }),
);

/** Along the middle axis of [outer, classes, inner]. */
function eachVector(
  [outer, classes, inner]: readonly [number, number, number],
  visit: (positions: number[]) => void,
): void {
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      visit(Array.from({ length: classes }, (_, c) => (o * classes + c) * inner + i));
    }
  }
}

describe("Centred logits", () => {
  test("are the logits of a Softmax along any axis, less their mean", () => {
    fc.assert(
      fc.property(dims, fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 36 }), (shape, drawn) => {
        const logits = drawn.slice(0, shape[0] * shape[1] * shape[2]);
        const probabilities = new Float32Array(logits.length);
        eachVector(shape, (positions) => {
          const sum = positions.reduce((total, at) => total + Math.exp(logits[at]!), 0);
          for (const at of positions) probabilities[at] = Math.exp(logits[at]!) / sum;
        });
        const given = centredLogits(probabilities, shape, 1);
        assert.deepEqual(centredLogits(probabilities, shape, -2), given);
        eachVector(shape, (positions) => {
          const mean = positions.reduce((total, at) => total + logits[at]!, 0) / positions.length;
          for (const at of positions) assert.ok(Math.abs(given[at]! - (logits[at]! - mean)) < 1e-4);
        });
      }),
    );
  });

  test("of a probability of zero are finite", () => {
    const [first, second] = centredLogits(Float32Array.of(1, 0), [1, 2], -1);
    assert.ok(Number.isFinite(first) && first === -second! && first! > 40);
  });
});
