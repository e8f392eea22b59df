import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  cosineSimilarity,
  meanSquaredError,
  signalToQuantizationNoise,
} from "../../shared/metrics/closeness.js";
import { floatModel, floats, integerLabels, port } from "./fixtures.js";

const PORT = port(["N", 2]);
const FLOAT = floats([2, 2], 3, 4, 0, 0);
const GIVEN = floats([2, 2], 3, 5, 0, 0);

test("mse is the mean over samples; against the float model the loss is the value itself", () => {
  const metric = meanSquaredError(PORT, "float outputs");
  const rows = metric.score({ out: GIVEN }, floatModel(FLOAT));
  assert.deepEqual(rows, Float32Array.of(0.5, 0));
  assert.equal(metric.aggregate(rows), 0.25);
  assert.equal(metric.loss(0, 0.25), 0.25);
  assert.equal(metric.loss(0.2, 0.3).toFixed(12), "0.500000000000");
});

test("cosine is 1 for the same direction, and for two zero vectors", () => {
  const metric = cosineSimilarity(PORT, "float outputs");
  const rows = metric.score({ out: floats([2, 2], 4, -3, 0, 0) }, floatModel(FLOAT));
  assert.deepEqual(rows, Float32Array.of(0, 1));
  assert.deepEqual(
    metric.score({ out: floats([2, 2], 6, 8, 1, 0) }, floatModel(FLOAT)),
    Float32Array.of(1, 0),
  );
});

describe("sqnr", () => {
  const metric = signalToQuantizationNoise(PORT, "float outputs");
  test("is the ratio of the summed energies in decibels", () => {
    const rows = metric.score({ out: GIVEN }, floatModel(FLOAT));
    assert.deepEqual(rows, Float32Array.of(5, 1, 0, 0));
    assert.ok(Math.abs(metric.aggregate(rows) - 10 * Math.log10(25)) < 1e-12);
  });

  for (const factor of [1e-42, 1e-30, 1e25, 1e37]) {
    test(`does not depend on the unit of the outputs: ${factor}`, () => {
      const given = floats([2, 2], 3 * factor, 5 * factor, 0, 0);
      const rows = metric.score({ out: given }, floatModel(floats([2, 2], 3 * factor, 4 * factor, 0, 0)));
      assert.ok(Math.abs(metric.aggregate(rows) - 10 * Math.log10(25)) < 0.05);
    });
  }

  test("is 200 dB without noise; its loss is the increase of the noise's amplitude", () => {
    assert.equal(metric.aggregate(metric.score({ out: FLOAT }, floatModel(FLOAT))), 200);
    assert.ok(Math.abs(metric.loss(200, 40) - 0.01) < 1e-9);
    assert.ok(metric.loss(30, 40) < 0);
  });
});

test("labels must have the output's shape", () => {
  const metric = meanSquaredError(PORT, "labels");
  const targets = { kind: "numbers", shape: [1, 2], data: Float32Array.of(1, 2), integers: false } as const;
  metric.checkLabels(targets, "y.npy");
  assert.deepEqual(
    metric.score({ out: floats([1, 2], 1, 4) }, { kind: "labels", labels: targets }),
    Float32Array.of(2),
  );
  assert.throws(() => metric.checkLabels(integerLabels([1, 2]), "y.npy"), {
    name: "DataError",
    message: `y.npy has shape [2], but is compared with the model's output "out" of shape [N, 2]; remove the labels to compare with the float model.`,
  });
});

test("an output that is not finite fails the trial and is named", () => {
  const metric = cosineSimilarity(PORT, "float outputs");
  assert.throws(() => metric.score({ out: floats([2, 2], Number.NaN, 1, 0, 0) }, floatModel(FLOAT)), {
    name: "RunError",
    message: `the model's output "out" holds values that are not finite, so it cannot be scored.`,
  });
});

test("an output whose squares are beyond 32 bits is said to be large, not infinite", () => {
  const metric = meanSquaredError(PORT, "float outputs");
  assert.throws(() => metric.score({ out: floats([2, 2], 1e25, 1, 0, 0) }, floatModel(FLOAT)), {
    name: "RunError",
    message: `the model's output "out" holds values whose squares 32 bits cannot hold, so it cannot be scored.`,
  });
});

test("an output without values is not perfect, but refused", () => {
  const metric = signalToQuantizationNoise(port(["N", 0]), "float outputs");
  assert.throws(() => metric.score({ out: floats([2, 0]) }, floatModel(floats([2, 0]))), {
    name: "DataError",
    message: `the model's output "out" has shape [2, 0], which holds no values to compare; choose another with engine.metric.output.`,
  });
});
