import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  type ChoiceGoal,
  chooseFinalist,
  type Finalist,
} from "../../../shared/evaluation/jobs/choose-finalist.js";

const FLOAT_BYTES = 1000;

function finalist(trial: number, ratio: number, noise = 0.01, bytes = 300): Finalist {
  return { trial, latency: { ratio, noise, referenceMs: ratio, candidateMs: 1 }, bytes };
}

const goal = (minimize: ChoiceGoal["minimize"], withinBound: number): ChoiceGoal => ({
  minimize,
  accuracyLoss: 1,
  withinBound,
  floatBytes: FLOAT_BYTES,
});

const chosen = (finalists: readonly Finalist[], given: ChoiceGoal) => chooseFinalist(finalists, given);

describe("The choice among finalists", () => {
  test("is the fastest within the bound, whatever the order in which the search ranked them", () => {
    const finalists = [finalist(4, 1.2), finalist(9, 1.9), finalist(2, 3)];
    assert.deepEqual(chosen(finalists, goal("latency", 2)), { trial: 9 });
  });

  test("takes the first of those that are equally fast", () => {
    const finalists = [finalist(4, 1.5), finalist(9, 1.52), finalist(2, 1.2)];
    assert.deepEqual(chosen(finalists, goal("latency", 3)), { trial: 4 });
  });

  test("is the float model where none within the bound is faster, with the figures", () => {
    const choice = chosen([finalist(4, 0.72), finalist(9, 0.7), finalist(2, 2)], goal("latency", 2));
    assert.ok("keepFloat" in choice);
    assert.match(
      choice.keepFloat,
      /trial 4, has 0\.72 times the float model's speed \(95 % interval 0\.71 to 0\.73\)/,
    );
  });

  test("is the float model where the fastest is faster by chance alone", () => {
    assert.ok("keepFloat" in chosen([finalist(4, 1.03, 0.02)], goal("latency", 1)));
  });

  test("is the float model where no finalist meets the bound", () => {
    for (const minimize of ["latency", "size"] as const) {
      const choice = chosen([finalist(4, 3)], goal(minimize, 0));
      assert.deepEqual(choice, { keepFloat: "no quantized model loses at most 1 % of accuracy" });
    }
  });

  test("is the smallest where size was asked for, and the float model where that is smaller", () => {
    const [slow, small] = [finalist(4, 2, 0.01, 900), finalist(9, 0.5, 0.01, 300)];
    assert.deepEqual(chosen([slow, small], goal("size", 2)), { trial: 9 });
    const choice = chosen([finalist(4, 2, 0.01, FLOAT_BYTES)], goal("size", 1));
    assert.ok("keepFloat" in choice && choice.keepFloat.includes("1000 bytes"));
  });

  test("is the first where the objective weighs everything itself, or nothing could be timed", () => {
    assert.deepEqual(chosen([finalist(4, 0.5), finalist(9, 2)], goal(undefined, 0)), { trial: 4 });
    assert.deepEqual(
      chosen(
        [
          { trial: 4, bytes: 300 },
          { trial: 9, bytes: 200 },
        ],
        goal("latency", 2),
      ),
      { trial: 4 },
    );
  });

  test("is never a model that is measured to be slower than float", () => {
    const finalists = fc.array(
      fc.record({
        ratio: fc.double({ min: 0.2, max: 5, noNaN: true }),
        noise: fc.double({ min: 0, max: 0.2, noNaN: true }),
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(finalists, (measured) => {
        const list = measured.map(({ ratio, noise }, trial) => finalist(trial, ratio, noise));
        const choice = chosen(list, goal("latency", list.length));
        return "keepFloat" in choice || list[choice.trial]!.latency!.ratio > 1;
      }),
    );
  });
});
