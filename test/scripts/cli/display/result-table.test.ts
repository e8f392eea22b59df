import assert from "node:assert/strict";
import { test } from "node:test";
import { resultText } from "../../../../scripts/cli/display/result-table.js";
import type { ModelResult, RunResult } from "../../../../shared/run/result/result.js";

const metric = { name: "accuracy", value: 0.9, samples: 100, interval: [0.8, 0.95] } as const;
const best: ModelResult = {
  trial: 4,
  metric,
  accuracyLoss: 0,
  latencyRatio: null,
  latencyNoise: null,
  latencyMs: null,
  bytes: 1000,
  quantizedShare: { byCount: 1, byParameters: 1 },
  simulatedShare: { byCount: 0, byParameters: 0 },
  integerKernels: null,
  portable: null,
  exactOn: null,
  exactness: null,
  loss: 1,
  withinBound: true,
  meetsTarget: true,
  validation: null,
};
const result: RunResult = {
  schemaVersion: 1,
  runId: "test",
  seed: 1,
  objective: "constrained",
  isa: "x64",
  processor: "CPU_AVX2",
  target: "CPU_AVX2",
  scoring: null,
  warnings: [],
  onnxruntime: "1",
  configurationHash: "",
  model: { sha256: "", bytes: 4000 },
  session: { graphOptimizationLevel: "all", intraOpNumThreads: 1 },
  float: { metric, latencyMs: null, graphOptimizationLevel: null, bytes: 4000, validation: null },
  keepFloat: null,
  base: { trial: 1, reason: "its accuracy is NaN" },
  best,
  pareto: [],
  trials: {
    asked: 4,
    complete: 3,
    pruned: 0,
    failed: 1,
    duplicates: 0,
    samplesScored: 300,
    samplesWithoutRace: 300,
  },
  selection: null,
  explanation: { importance: { loss: [], accuracyLoss: [] }, groups: [], float: [] },
  problems: ["The float model could not be validated: the metric fails"],
  stop: "max_trials",
  timing: {
    wallSeconds: 1,
    statisticsSeconds: 0,
    askSeconds: 0,
    quantizeSeconds: 0,
    sessionSeconds: 0,
    inferenceSeconds: 0,
    workers: 1,
  },
};

test("a preset configuration without a score has a row, and its reason and other problems below the table", () => {
  const text = resultText(result);
  assert.match(text, /preset \(trial 1\)\s*│\s*could not be scored/);
  assert.match(text, /best \(trial 4\)/);
  assert.match(text, /The preset configuration could not be scored: its accuracy is NaN/);
  assert.match(text, /The float model could not be validated: the metric fails/);
});
