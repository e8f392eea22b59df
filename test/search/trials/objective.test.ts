import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  judgeMeasurement,
  type Objective,
  type ObjectiveMeasurement,
  pickBest,
} from "../../../shared/search/trials/objective.js";

const measurement: ObjectiveMeasurement = {
  accuracyDrop: 0.02,
  latencyRatio: 2,
  latencyRatioNoise: 0.1,
  bytes: 30,
  floatBytes: 120,
  quantizedRatio: 1,
};
const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual}`);

describe("constrained", () => {
  const objective: Objective = { kind: "constrained", minimize: "latency", accuracyLoss: 1 };
  test("latency as a share of the float model's, and the violation in percentage points", () => {
    const { values, violation, accuracyLoss, noise } = judgeMeasurement(objective, measurement);
    near(values[0]!, 0.5);
    near(accuracyLoss, 2);
    near(violation, 1);
    near(noise, 0.025);
  });
  test("size as a share of the float model's", () => {
    const { values, noise } = judgeMeasurement({ ...objective, minimize: "size" }, measurement);
    assert.deepEqual(values, [0.25]);
    assert.equal(noise, 0);
  });
  test("of models of nearly equal size the one with more ops quantized counts as smaller", () => {
    const sizeOf = (bytes: number, quantizedRatio: number): number =>
      judgeMeasurement(
        { ...objective, minimize: "size" },
        { ...measurement, bytes, floatBytes: 1e6, quantizedRatio },
      ).values[0]!;
    assert.ok(sizeOf(300_200, 1) < sizeOf(300_000, 0.9));
    assert.ok(sizeOf(310_000, 1) > sizeOf(300_000, 0.5));
    assert.ok(sizeOf(301_000, 1) > sizeOf(300_000, 0));
  });
  test("a gain in accuracy is no violation", () => {
    const { violation, accuracyLoss } = judgeMeasurement(objective, { ...measurement, accuracyDrop: -0.1 });
    near(accuracyLoss, -10);
    assert.equal(violation, 0);
  });
});

test("pareto: accuracy loss and cost, nothing infeasible", () => {
  const { values, violation } = judgeMeasurement(
    { kind: "pareto", minimize: "size", accuracyLoss: 1 },
    measurement,
  );
  near(values[0]!, 2);
  near(values[1]!, 0.25);
  assert.equal(violation, 0);
});

test("loss: the base scores 10 for accuracy, 0 for latency and 80 for the missed bound", () => {
  const parameters = {
    accuracyLoss: 0.01,
    latencyReduce: 1.5,
    accuracyWeight: 1,
    latencyWeight: 1,
    quantizationRatioWeight: 0,
    expectedQuantizationRatio: 0.5,
  };
  near(judgeMeasurement({ kind: "loss", parameters }, measurement, measurement).values[0]!, 90);
});

describe("the best trial", () => {
  const objective: Objective = { kind: "constrained", minimize: "latency", accuracyLoss: 1 };
  const judged = (number: number, value: number, accuracyLoss: number, noise = 0) => ({
    number,
    values: [value],
    accuracyLoss,
    violation: Math.max(0, accuracyLoss - 1),
    noise,
  });
  test("is the fastest within the bound", () => {
    assert.equal(
      pickBest(objective, [judged(1, 0.5, 0.9), judged(2, 0.6, 0), judged(3, 0.4, 1.1)])?.number,
      1,
    );
  });
  test("is the most accurate of those whose costs differ by less than their noise", () => {
    const trials = [judged(1, 0.5, 0.9, 0.02), judged(2, 0.51, 0.1, 0.02), judged(3, 0.53, 0, 0.1)];
    assert.equal(pickBest(objective, trials)?.number, 2);
    assert.equal(pickBest(objective, [judged(1, 0.5, 0.9, 0.001), judged(2, 0.51, 0.1, 0.02)])?.number, 1);
  });
  test("is the one with the least violation when none is feasible", () => {
    assert.equal(pickBest(objective, [judged(1, 0.1, 5), judged(2, 0.9, 3), judged(3, 0.8, 3)])?.number, 3);
  });
  test("is the earlier trial when all is equal, and undefined without trials", () => {
    assert.equal(pickBest(objective, [judged(2, 0.5, 0), judged(1, 0.5, 0)])?.number, 1);
    assert.equal(pickBest(objective, []), undefined);
  });
});
