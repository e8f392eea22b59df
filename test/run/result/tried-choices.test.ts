import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeTried, rankParameters } from "../../../shared/run/result/tried-choices.js";
import type { Space } from "../../../shared/search/space/space.js";
import type { FinishedTrial } from "../../../shared/search/trials/sampler.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

const space: Space = [
  { name: "a/quantize", group: "a", kind: "categorical", choices: [true, false] },
  {
    name: "a/mode",
    group: "a",
    kind: "categorical",
    choices: ["s", "a"],
    when: { parameter: "a/quantize", in: [true] },
  },
  { name: "b/quantize", group: "b", kind: "categorical", choices: [true, false] },
  { name: "b/bits", group: "b", kind: "categorical", choices: [8] },
];

/** A trial where quantizing group a costs 2 percent, or 1 in the other mode, and b costs nothing. */
function trial(
  number: number,
  a: boolean,
  mode: string,
  b: boolean,
  state: FinishedTrial["state"] = "complete",
): FinishedTrial {
  const configuration = { "a/quantize": a, ...(a ? { "a/mode": mode } : {}), "b/quantize": b, "b/bits": 8 };
  const accuracyLoss = a ? (mode === "s" ? 2 : 1) : 0;
  const size = 1 - (a ? 0.4 : 0) - (b ? 0.3 : 0);
  return { number, configuration, state, values: [size], violation: 0, accuracyLoss, samples: 10 };
}

const trials = [
  trial(1, true, "s", true),
  trial(2, true, "a", true),
  trial(3, false, "", true),
  trial(4, true, "s", false),
  trial(5, true, "a", false, "pruned"),
  trial(6, false, "", false, "failed"),
];

describe("what was tried for each group", () => {
  const [a, b] = describeTried(space, trials);

  test("lists the parameters that vary, with the choices that some trial had", () => {
    assert.deepEqual(
      a?.parameters.map(({ parameter }) => parameter),
      ["a/quantize", "a/mode"],
    );
    assert.deepEqual(
      b?.parameters.map(({ parameter }) => parameter),
      ["b/quantize"],
    );
  });

  test("counts trials with and without a choice, with the best of the complete ones", () => {
    const [quantized, float] = a!.parameters[0]!.choices;
    assert.deepEqual(quantized?.with, {
      trials: 4,
      pruned: 1,
      failed: 0,
      loss: { best: 1 - 0.4 - 0.3 },
      accuracyLoss: { best: 1 },
    });
    assert.deepEqual(float?.with.accuracyLoss, { best: 0 });
    assert.deepEqual(quantized?.without, float?.with);
    assert.deepEqual([float?.with.trials, float?.with.failed], [2, 1]);
  });

  test("leaves out trials in which the parameter did not exist", () => {
    const [symmetric] = a!.parameters[1]!.choices;
    assert.deepEqual([symmetric?.with.trials, symmetric?.without.trials], [2, 2]);
  });
});

describe("which parameters mattered", () => {
  const many = Array.from({ length: 64 }, (_, i) =>
    trial(i, (i & 1) === 0, (i & 2) === 0 ? "s" : "a", (i & 4) === 0),
  );
  const { loss, accuracyLoss } = rankParameters(space, many);

  test("to accuracy: first the group that costs accuracy", () => {
    assert.equal(accuracyLoss[0]?.parameter, "a/quantize");
    assert.ok(accuracyLoss.every(({ group }) => group === "a"));
    const [on, off] = accuracyLoss[0]!.effects;
    assert.ok(on!.effect > off!.effect);
  });

  test("to what is minimized: both switches, the larger saving first", () => {
    assert.deepEqual(
      loss.map(({ parameter }) => parameter),
      ["a/quantize", "b/quantize"],
    );
    assert.ok(Math.abs(loss[0]!.share - 16 / 25) < 0.05, String(loss[0]!.share));
  });

  test("with an interval around each share, and a deviation of each effect", () => {
    const [first] = accuracyLoss;
    const [low, high] = first!.interval;
    assert.ok(low <= first!.share && first!.share <= high && high - low < 0.5);
    for (const { deviation } of first!.effects) assert.ok(deviation > 0 && deviation < 1);
  });

  test("hardly ever if outcomes do not depend on choices", () => {
    const mistaken = Array.from({ length: 40 }, (_, seed) => {
      const random = new RandomValues(seed);
      const noisy = many.map((each) => ({ ...each, accuracyLoss: random.normal() }));
      return rankParameters(space, noisy).accuracyLoss.length > 0;
    });
    assert.ok(mistaken.filter(Boolean).length <= 4);
  });

  test("not if accuracy does not differ significantly between trials", () => {
    assert.deepEqual(rankParameters(space, many, false).accuracyLoss, []);
    assert.ok(rankParameters(space, many, false).loss.length > 0);
  });
});
