import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { outcomeWarnings } from "../../../shared/run/result/outcome-warnings.js";
import type { ModelResult, RunResult } from "../../../shared/run/result/result.js";

type Outcome = Parameters<typeof outcomeWarnings>[0];

const BOUND = { accuracyLoss: 1 };

function outcome(evaluationLoss: number, validationLoss: number): Outcome {
  const finalist = {
    trial: 7,
    accuracyLoss: evaluationLoss,
    validationLoss,
    flattered: validationLoss - evaluationLoss,
  };
  return {
    best: { trial: 7, withinBound: evaluationLoss <= BOUND.accuracyLoss } as unknown as ModelResult,
    float: {
      metric: { name: "accuracy", value: 0.9, samples: 100, interval: [0.8, 1] },
    } as unknown as RunResult["float"],
    selection: { finalists: [finalist], flattered: finalist.flattered, lost: 0 },
  };
}

describe("The outcome of a run", () => {
  test("has a warning if the best keeps the bound on the evaluation samples only", () => {
    const [found, ...others] = outcomeWarnings(outcome(0.5, 2), BOUND, true);
    assert.equal(found?.code, "validation-loss");
    assert.match(
      found!.message,
      /^the best model \(trial 7\) loses 2\.00 % on the validation samples, beyond the bound of 1 %/,
    );
    assert.deepEqual(others, []);
  });

  test("has none if both keep it, or neither does, or there is no validation", () => {
    assert.deepEqual(outcomeWarnings(outcome(0.5, 1), BOUND, true), []);
    assert.deepEqual(outcomeWarnings(outcome(3, 4), BOUND, true), []);
    assert.deepEqual(outcomeWarnings({ ...outcome(0.5, 2), selection: null }, BOUND, true), []);
  });

  test("has a note if no trial differs in accuracy", () => {
    assert.deepEqual(
      outcomeWarnings(outcome(0, 0), BOUND, false).map(({ code, level }) => [code, level]),
      [["nothing-moved", "note"]],
    );
  });
});
