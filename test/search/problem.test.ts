import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { OPTUNA_REFERENCE } from "../../scripts/bench/search/optuna-reference.js";
import { bestKnownValue, parseProblem, problemSpace, trueValue } from "../../scripts/bench/search/problem.js";
import { median, runStudy } from "../../scripts/bench/search/study.js";
import { createTpeSampler } from "../../shared/search/tpe-sampler.js";

const problem = parseProblem({
  name: "by-hand",
  parameters: [
    { name: "a.quantize", choices: 2 },
    { name: "a.mode", choices: 2, when: { name: "a.quantize", is: [1] } },
    { name: "b", choices: 3, ordered: true },
  ],
  main: [
    [1, 0],
    [0.5, -0.25],
    [0, 0.1, 0.2],
  ],
  pairs: [
    {
      a: 1,
      b: 2,
      table: [
        [0, 0, 0],
        [0, 2, -1],
      ],
    },
    {
      a: 0,
      b: 2,
      table: [
        [4, 0, 0],
        [0, 0, 0],
      ],
    },
  ],
  noise: 0,
});

describe("a bench problem", () => {
  test("adds main effects and pairs of what is active", () => {
    assert.equal(trueValue(problem, { "a.quantize": 0, b: 0 }), 1 + 0 + 4);
    assert.equal(trueValue(problem, { "a.quantize": 1, "a.mode": 1, b: 2 }), 0 - 0.25 + 0.2 - 1);
  });
  test("finds the best value by coordinate descent", () => {
    assert.ok(Math.abs(bestKnownValue(problem) - -1.05) < 1e-12);
  });
  test("becomes a space with groups, order and conditions", () => {
    assert.deepEqual(problemSpace(problem), [
      { name: "a.quantize", group: "a", kind: "categorical", choices: [0, 1] },
      {
        name: "a.mode",
        group: "a",
        kind: "categorical",
        choices: [0, 1],
        when: { parameter: "a.quantize", in: [1] },
      },
      { name: "b", group: "b", kind: "ordinal", choices: [0, 1, 2] },
    ]);
  });
});

const FLAT = "../shared/anchors/search/flat-25x4.json";
test("after 200 trials the regret on flat-25x4 is at most half of Optuna's", (context) => {
  if (!existsSync(FLAT)) {
    context.skip(`${FLAT} is missing`);
    return;
  }
  const flat = parseProblem(JSON.parse(readFileSync(FLAT, "utf8")));
  const { bestKnown, after200 } = OPTUNA_REFERENCE.find(
    (row) => row.problem === flat.name && row.batch === 1,
  )!;
  const finals = [1, 2, 3].map((seed) => {
    const sampler = createTpeSampler(problemSpace(flat), { seed });
    const { incumbent, repeats } = runStudy(flat, sampler, 200, 1, seed);
    assert.equal(repeats, 0);
    return incumbent.at(-1)!;
  });
  assert.ok(median(finals) - bestKnown <= 0.5 * (after200 - bestKnown), `${finals}`);
});
