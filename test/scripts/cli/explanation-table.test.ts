import assert from "node:assert/strict";
import { test } from "node:test";
import { explanationNotes } from "../../../scripts/cli/explanation-table.js";
import type { TrialSummary } from "../../../shared/run/tried-choices.js";

const summary = (trials: number, mean?: number): TrialSummary => ({
  trials,
  pruned: 0,
  failed: 0,
  loss: null,
  accuracyLoss: mean === undefined ? null : { best: 0, mean },
});

function noteOn(quantized: TrialSummary, float: TrialSummary): string {
  const evidence = { quantized, float, accuracyCost: null, neighbour: null };
  const [note] = explanationNotes({
    explanation: {
      importance: { loss: [], accuracyLoss: [] },
      groups: [],
      float: [{ name: "/fc", type: "Gemm", cause: "chosen", group: "/fc", evidence }],
    },
    selection: null,
  });
  return note!;
}

test("an op in float is explained by what was tried, however little that was", () => {
  assert.equal(
    noteOn(summary(58, 3.54), summary(1, -0.15)),
    "In float: Gemm /fc (mean loss 3.54 % quantized in 58 trials; mean loss -0.15 % in float in 1 trial).",
  );
  assert.equal(
    noteOn(summary(3), summary(9, 0.2)),
    "In float: Gemm /fc (tried quantized in 3 trials, none of which saw every sample; mean loss 0.20 % in float in 9 trials).",
  );
  assert.equal(
    noteOn(summary(0), summary(9, 0.2)),
    "In float: Gemm /fc (never tried quantized; mean loss 0.20 % in float in 9 trials).",
  );
});
