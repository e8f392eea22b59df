import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMetric } from "../../../shared/metrics/create-metric.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { Measurement } from "../../../shared/run/protocol/state.js";
import { tuningStudy } from "../../../shared/run/protocol/tuning-study.js";
import { toyRequest } from "../toy-study.js";

const metric = await createMetric(
  { name: "accuracy", top_k: 1 },
  { directory: ".", outputs: [{ name: "y", type: "float32", shape: ["N", 3] }], labelled: true },
);
const study = tuningStudy(metric);

const FLOAT = 0.8;

/** Measurement of a model that lost this share of float's accuracy, with this speed-up. */
function measured(drop: number, ratio: number, quantized = 1, noise = 0): Measurement {
  return {
    metric: FLOAT * (1 - drop),
    samples: 100,
    bytes: 100,
    quantizedShare: { byCount: quantized, byParameters: quantized },
    latency: { ratio, noise },
  };
}

const float = measured(0, 1, 0);
const references = { float, base: measured(0.05, 2) };

function request(optimizer: Partial<RunRequest["optimizer"]>, rest: Partial<RunRequest> = {}): RunRequest {
  const targets = { accuracyLoss: 1, latencyReduce: 1.5 };
  return { ...toyRequest({ optimizer: { objective: "loss", ...targets, ...optimizer } }), ...rest };
}

function loss(trial: Measurement, optimizer: Partial<RunRequest["optimizer"]> = {}): number {
  return study.judge(trial, references, request(optimizer)).values[0]!;
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-4, `${actual} instead of ${expected}`);
}

describe("objective loss", () => {
  test("is POT's, scaled by trial 1", () => {
    near(loss(references.base), 90);
    near(loss(measured(0.02, 1.6)), 87.15938);
    near(loss(measured(0.005, 1.6)), 3.21928);
    near(loss(measured(0.005, 1.4)), 45.14573);
    near(loss(float), 50);
  });

  test("uses latency_weight", () => {
    near(loss(measured(0.005, 1.4), { latencyWeight: 0 }), 40.97765);
    near(loss(measured(-0.01, 1.6), { latencyWeight: 0 }), -1.9407);
  });

  test("uses quantization_ratio_weight and expected_quantization_ratio", () => {
    near(loss(measured(0.005, 1.6, 0.75), { quantizationRatioWeight: 1 }), -1.30646);
    const asExpected = { quantizationRatioWeight: 1, expectedQuantizationRatio: 0.75 };
    near(loss(measured(0.005, 1.6, 0.75), asExpected), 3.21928);
  });

  test("uses accuracy_weight, accuracy_loss and latency_reduce", () => {
    near(loss(references.base, { accuracyWeight: 2 }), 100);
    near(loss(measured(0.02, 1.6), { accuracyLoss: 2.5 }), 3.21928);
    near(loss(measured(0.005, 1.4), { latencyReduce: 1.2 }), 5.14573);
  });

  test("is scaled by an earlier run's measurement where this run's base is a best configuration", () => {
    const { accuracyDrop, latencyRatio } = { accuracyDrop: 0.05, latencyRatio: 2 };
    const around = request({}, { lossReference: { accuracyDrop, latencyRatio } });
    const later = { float, base: measured(0.005, 1.6) };
    near(study.judge(measured(0.02, 1.6), later, around).values[0]!, 87.15938);
  });

  test("treats losses within each other's latency noise as equal, so the more accurate trial wins", () => {
    const rules = request({});
    const judged = [
      measured(0.005, 1.61, 1, 0.02),
      measured(0.001, 1.6, 1, 0.02),
      measured(0, 1.5, 1, 0.02),
    ].map((trial, number) => ({ ...study.judge(trial, references, rules), number }));
    assert.equal(study.pickBest(judged, rules)?.number, 1);
  });
});

test("a pruned trial is judged by its upper confidence bound, not by its first samples", () => {
  const stopped: Measurement = { ...measured(0.2, 1.6), samples: 64, reachable: -0.02 };
  const { accuracyLoss, violation } = study.judge(stopped, references, request({ objective: "constrained" }));
  near(accuracyLoss, 100 * (0.02 / FLOAT));
  near(violation, 100 * (0.02 / FLOAT) - 1);
});

describe("the targets", () => {
  for (const objective of ["constrained", "loss", "pareto"] as const) {
    test(`are accuracy_loss and latency_reduce under objective ${objective}`, () => {
      const rules = request({ objective, minimize: "latency" });
      const judge = (drop: number, ratio: number) => {
        const { withinBound, meetsTarget } = study.judge(measured(drop, ratio), references, rules);
        return [withinBound, meetsTarget];
      };
      assert.deepEqual(judge(0.02, 1.6), [false, false]);
      assert.deepEqual(judge(0.005, 1.4), [true, false]);
      assert.deepEqual(judge(0.005, 1.6), [true, true]);
    });
  }
});
