import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationError } from "../../../shared/basics/errors.js";
import { type PotLossParameters, potLoss, scalePotLoss } from "../../../shared/search/trials/pot-loss.js";

const parameters: PotLossParameters = {
  accuracyLoss: 0.01,
  latencyReduce: 1.5,
  accuracyWeight: 1,
  latencyWeight: 1,
  quantizationRatioWeight: 0,
  expectedQuantizationRatio: 0.5,
};
const base = { accuracyDrop: 0.05, latencyRatio: 2 };
const scaling = scalePotLoss(base, parameters);

function assertNear(actual: number, expected: number, digits: number): void {
  assert.ok(Math.abs(actual - expected) < 0.6 * 10 ** -digits, `${actual} for ${expected}`);
}

test("the scaling of POT's loss", () => {
  assertNear(scaling.accuracyScale, 195.0416649, 7);
  assertNear(scaling.latencyLeast, -60.8072197, 7);
  assertNear(scaling.latencyScale, 1.8033688, 7);
});

describe("POT's loss", () => {
  const vectors: [Partial<PotLossParameters>, number, number, number, number, number][] = [
    [{}, 0.05, 2, 0, 90, 5],
    [{}, 0.02, 1.6, 0, 87.15938, 5],
    [{}, 0.005, 1.6, 0, 3.21928, 5],
    [{}, 0.005, 1.4, 0, 45.14573, 5],
    [{}, 0, 1, 0, 50, 5],
    [{ latencyWeight: 0 }, 0.005, 1.4, 0, 40.97765, 5],
    [{ latencyWeight: 0 }, 0.005, 1.6, 0, 0.97765, 5],
    [{ latencyWeight: 0 }, 0.02, 1.6, 0, 83.9401, 4],
    [{ latencyWeight: 0 }, -0.01, 1.6, 0, -1.9407, 4],
    [{ quantizationRatioWeight: 1 }, 0.005, 1.6, 0.75, -1.30646, 5],
  ];
  for (const [changed, accuracyDrop, latencyRatio, quantizedRatio, expected, digits] of vectors) {
    test(`drop ${accuracyDrop}, speed-up ${latencyRatio}, ${JSON.stringify(changed)}`, () => {
      const loss = potLoss(
        { accuracyDrop, latencyRatio, quantizedRatio },
        { ...parameters, ...changed },
        scaling,
      );
      assertNear(loss, expected, digits);
    });
  }
});

describe("where POT divides by zero", () => {
  const asGoodAsFloat = { accuracyDrop: 0, latencyRatio: 1 };
  test("the targets replace the base, as in POT", () => {
    const { accuracyScale, latencyScale } = scalePotLoss(asGoodAsFloat, parameters);
    assertNear(accuracyScale, 10 / (Math.exp(0.01) - 1), 6);
    assertNear(latencyScale, 10 / (8 * Math.log(1.5)), 6);
  });

  test("the loss stays finite where the targets equal float too", () => {
    const strict = { ...parameters, accuracyLoss: 0, latencyReduce: 1 };
    const loss = potLoss(
      { ...asGoodAsFloat, quantizedRatio: 1 },
      strict,
      scalePotLoss(asGoodAsFloat, strict),
    );
    assert.ok(Number.isFinite(loss));
  });

  for (const ratio of [0, 1, Number.NaN]) {
    test(`an expected quantization ratio of ${ratio} is refused`, () => {
      assert.throws(
        () =>
          potLoss(
            { ...base, quantizedRatio: 1 },
            { ...parameters, expectedQuantizationRatio: ratio },
            scaling,
          ),
        ConfigurationError,
      );
    });
  }
});
