import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetric } from "../../../shared/metrics/create-metric.js";
import type { FinishedCandidate, FinishSummary } from "../../../shared/run/protocol/finish-summary.js";
import type { Measurement } from "../../../shared/run/protocol/state.js";
import { describeSelection } from "../../../shared/run/result/selection.js";

const metric = await createMetric(
  { name: "accuracy", top_k: 1 },
  { directory: ".", outputs: [{ name: "y", type: "float32", shape: ["N", 3] }], labelled: true },
);

const measured = (value: number): Measurement => ({
  metric: value,
  samples: 100,
  bytes: 1,
  quantizedShare: { byCount: 1, byParameters: 1 },
});
const score = (value: number) => ({ value, samples: 50, interval: [0, 1] as [number, number] });
const candidate = (trial: number, value: number): FinishedCandidate => ({
  trial,
  validation: score(value),
  latency: { ratio: 1, noise: 0, referenceMs: 1, candidateMs: 1 },
  modelBytes: 1,
  integerKernels: { quantized: 1, integer: 1, unfused: [] },
  unbounded: {},
});

const evaluated = new Map([
  [7, 0.8],
  [9, 0.76],
]);
const summary = (floatValidation?: number): FinishSummary => ({
  ...(floatValidation === undefined ? {} : { floatValidation: score(floatValidation) }),
  base: candidate(1, 0.5),
  candidates: [candidate(7, 0.45), candidate(9, 0.49)],
  problems: [],
});
const measurementOf = (trial: number) => {
  const value = evaluated.get(trial);
  return value === undefined ? undefined : measured(value);
};

const near = (actual: number | undefined, expected: number) =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual} instead of ${expected}`);

test("the loss on validation samples is compared with the evaluation samples and with the other finalists", () => {
  const selection = describeSelection(metric, measured(0.8), summary(0.5), measurementOf);
  const [best, second] = selection!.finalists;
  near(best?.accuracyLoss, 0);
  near(best?.validationLoss, 10);
  near(second?.accuracyLoss, 5);
  near(second?.validationLoss, 2);
  near(second?.flattered, -3);
  near(selection?.flattered, 10);
  near(selection?.lost, 8);
});

test("there is no selection without validation samples", () => {
  assert.equal(describeSelection(metric, measured(0.8), summary(), measurementOf), null);
});
