import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { bestKnownValue } from "../../scripts/tools/bench/search/best-known.js";
import { generateProblem } from "../../scripts/tools/bench/search/generate.js";
import { findLine, KEPT_LINES, readOptunaLines } from "../../scripts/tools/bench/search/optuna.js";
import {
  type Problem,
  parseProblem,
  problemSpace,
  trueValue,
} from "../../scripts/tools/bench/search/problem.js";
import { readProblemFile } from "../../scripts/tools/bench/search/problem-file.js";
import { median, runStudy } from "../../scripts/tools/bench/search/study.js";
import { DataError } from "../../shared/basics/errors.js";
import { createTpeSampler } from "../../shared/search/samplers/tpe-sampler.js";
import type { Configuration } from "../../shared/search/space/space.js";

const BY_HAND = {
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
};
const problem = parseProblem(BY_HAND, "by-hand.json");

/** Every configuration of a space in which parents come before their children. */
function everyConfiguration(of: Problem): Configuration[] {
  let all: Configuration[] = [{}];
  for (const { name, choices, when } of problemSpace(of)) {
    all = all.flatMap((partial) =>
      when === undefined || when.in.includes(partial[when.parameter]!)
        ? choices.map((choice) => ({ ...partial, [name]: choice }))
        : [partial],
    );
  }
  return all;
}

describe("a bench problem", () => {
  test("adds main effects and pair interactions of the active parameters", () => {
    assert.equal(trueValue(problem, { "a.quantize": 0, b: 0 }), 1 + 0 + 4);
    assert.equal(trueValue(problem, { "a.quantize": 1, "a.mode": 1, b: 2 }), 0 - 0.25 + 0.2 - 1);
  });
  test("has the best value that enumeration finds", () => {
    assert.ok(Math.abs(bestKnownValue(problem) - -1.05) < 1e-12);
    const strong = { pairsPerLayer: 3, pairStrength: 3 };
    for (const shape of [
      { structure: "flat", layers: 8, choices: 4, ...strong },
      { structure: "conditional", layers: 4, ...strong },
    ] as const) {
      const generated = generateProblem("small", 7, shape);
      const least = Math.min(...everyConfiguration(generated).map((each) => trueValue(generated, each)));
      assert.ok(Math.abs(bestKnownValue(generated) - least) < 1e-12);
    }
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
  test("may list a parameter before its parent", () => {
    const { parameters, main, pairs } = BY_HAND;
    const turned = parseProblem(
      {
        ...BY_HAND,
        parameters: parameters.toReversed(),
        main: main.toReversed(),
        pairs: pairs.map(({ a, b, table }) => ({ a: 2 - a, b: 2 - b, table })),
      },
      "turned.json",
    );
    assert.deepEqual(
      problemSpace(turned).map(({ name }) => name),
      ["b", "a.quantize", "a.mode"],
    );
    const configurations = everyConfiguration(problem);
    assert.equal(configurations.length, 9);
    for (const each of configurations) assert.equal(trueValue(turned, each), trueValue(problem, each));
    assert.ok(Math.abs(bestKnownValue(turned) - -1.05) < 1e-12);
    createTpeSampler(problemSpace(turned), { seed: 1 }).ask(0);
  });
});

const [QUANTIZE, MODE, B] = BY_HAND.parameters;
const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ["no object", [], /^x\.json: the document: .*; write it as/],
  ["a missing key", { ...BY_HAND, main: undefined }, /^x\.json: main: /],
  [
    "a table too short",
    { ...BY_HAND, main: [[1], [0.5, -0.25], [0, 0.1, 0.2]] },
    /main\.0: 1 values stand for the 2 choices of "a\.quantize"/,
  ],
  ["too few tables", { ...BY_HAND, main: [[1, 0]] }, /main: 1 tables stand for 3 parameters/],
  [
    "a pair's table of another shape",
    { ...BY_HAND, pairs: [{ a: 0, b: 1, table: [[1, 2]] }] },
    /pairs\.0\.table: it must have 2 rows of 2 values/,
  ],
  ["a pair with itself", { ...BY_HAND, pairs: [{ a: 1, b: 1, table: [] }] }, /pairs\.0: a is 1 and b is 1/],
  [
    "a pair beyond the list",
    { ...BY_HAND, pairs: [{ a: 0, b: 3, table: [] }] },
    /they must be two of 0 to 2/,
  ],
  [
    "a name twice",
    { ...BY_HAND, parameters: [QUANTIZE, MODE, { ...B, name: "a.mode" }] },
    /parameters\.2\.name: "a\.mode" is listed twice/,
  ],
  [
    "a condition on nothing",
    { ...BY_HAND, parameters: [QUANTIZE, MODE, { ...B, when: { name: "c", is: [0] } }] },
    /parameters\.2\.when\.name: "b" depends on "c", which is no parameter/,
  ],
  [
    "a condition on no choice",
    { ...BY_HAND, parameters: [QUANTIZE, { ...MODE, when: { name: "a.quantize", is: [2] } }, B] },
    /"a\.quantize" has no choice 2; use 0 to 1/,
  ],
  [
    "conditions in a circle",
    { ...BY_HAND, parameters: [{ ...QUANTIZE, when: { name: "a.mode", is: [0] } }, MODE, B] },
    /"a\.quantize" depends on itself through "a\.mode"/,
  ],
];
for (const [what, document, sentence] of REFUSED) {
  test(`a bench problem is refused for ${what}, in one sentence`, () => {
    assert.throws(
      () => parseProblem(document, "x.json"),
      (error: unknown) =>
        error instanceof DataError && sentence.test(error.message) && /[^.]\.$/.test(error.message),
    );
  });
}

const FOLDER = "../shared/anchors/search";
const given = existsSync(FOLDER) ? false : `${FOLDER} is missing`;

test("after 200 trials the regret on flat-25x4 is at most half of Optuna's", { skip: given }, () => {
  const file = readProblemFile(`${FOLDER}/flat-25x4.json`);
  const { problem: flat } = file;
  const optuna = findLine(readOptunaLines(KEPT_LINES), file, 1)!;
  const after200 = optuna.median[optuna.trials.indexOf(200)]!;
  const best = bestKnownValue(flat);
  const finals = [1, 2, 3].map((seed) => {
    const sampler = createTpeSampler(problemSpace(flat), { seed });
    const { incumbent, repeats } = runStudy(flat, sampler, 200, 1, seed);
    assert.equal(repeats, 0);
    return incumbent.at(-1)!;
  });
  assert.ok(median(finals) - best <= 0.5 * (after200 - best), `${finals}`);
});

test("annealing finds better values than the folder's README knows", { skip: given }, () => {
  const { problem: conditional } = readProblemFile(`${FOLDER}/conditional-40.json`);
  assert.ok(bestKnownValue(conditional) < 0.10467);
});
