import assert from "node:assert/strict";
import { test } from "node:test";
import { explanationNotes } from "../../../../scripts/cli/display/explanation-table.js";
import type { SwitchEvidence } from "../../../../shared/run/result/float-ops.js";
import type { TrialSummary } from "../../../../shared/run/result/tried-choices.js";

const summary = (trials: number, best?: number): TrialSummary => ({
  trials,
  pruned: 0,
  failed: 0,
  loss: null,
  accuracyLoss: best === undefined ? null : { best },
});

function noteOn(
  quantized: TrialSummary,
  float: TrialSummary,
  evidence: Partial<Pick<SwitchEvidence, "accuracyCost" | "neighbour">> = {},
): string {
  const [note] = explanationNotes({
    keepFloat: null,
    explanation: {
      importance: { loss: [], accuracyLoss: [] },
      groups: [],
      float: [
        {
          name: "/fc",
          type: "Gemm",
          cause: "chosen",
          group: "/fc",
          evidence: { quantized, float, accuracyCost: null, neighbour: null, ...evidence },
        },
      ],
    },
    selection: null,
  });
  return note!;
}

test("an op in float is explained by the trials, even when there are few", () => {
  const unknown = "In float: Gemm /fc; the cost of quantizing it is within noise";
  assert.equal(
    noteOn(summary(58, 3.54), summary(1, -0.15)),
    `${unknown} (quantized in 58 trials, losing 3.54 % at least; in float in 1 trial, losing -0.15 % at least).`,
  );
  assert.equal(
    noteOn(summary(3), summary(9, 0.2)),
    `${unknown} (tried quantized in 3 trials, none of them complete; in float in 9 trials, losing 0.20 % at least).`,
  );
  assert.equal(
    noteOn(summary(0), summary(9, 0.2)),
    `${unknown} (never tried quantized; in float in 9 trials, losing 0.20 % at least).`,
  );
});

test("the cost of quantizing an op is measured by the trial that differs only in it, otherwise estimated by the model", () => {
  const model = { points: -0.1, deviation: 0.02 };
  const neighbour = { trial: 7, accuracyLoss: 1.5, cost: 1.25, state: "complete" };
  const seen = noteOn(summary(5, 0), summary(5, 0), { accuracyCost: model, neighbour });
  assert.match(seen, /with it quantized as well, trial 7 loses 1\.50 %, 1\.25 points more \(/);
  const stopped = { ...neighbour, state: "pruned" };
  assert.match(noteOn(summary(5), summary(5), { neighbour: stopped }), /trial 7 was stopped early/);
  const modelled = noteOn(summary(5, 0), summary(5, 0), { accuracyCost: model });
  assert.match(modelled, /quantizing it gains about 0\.10 points \(± 0\.04\)/);
});

test("importances are shown with their interval; without any, no choice had an effect", () => {
  const parameter = {
    parameter: "a/quantize",
    group: "a",
    share: 0.6,
    interval: [0.4, 0.8] as const,
    effects: [],
  };
  const groups = [{ group: "a", parameters: [] }];
  const notes = (accuracyLoss: readonly (typeof parameter)[]) =>
    explanationNotes({
      keepFloat: null,
      explanation: { importance: { loss: [], accuracyLoss }, groups, float: [] },
      selection: null,
    });
  assert.deepEqual(notes([parameter]), [
    "Largest effects on accuracy: a/quantize (60 %, between 40 and 80 %).",
  ]);
  assert.deepEqual(notes([]), ["No choice had an effect on accuracy beyond noise."]);
});
