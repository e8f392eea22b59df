import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChoiceTrees } from "../../../shared/search/effects/choice-trees.js";
import { choiceIndices } from "../../../shared/search/effects/effects-model.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { addAt, sumAt } from "../../../shared/search/numerics/vectors.js";
import { encodeSpace, enumerateConfigurations } from "../../../shared/search/space/encoding.js";
import type { Space } from "../../../shared/search/space/space.js";
import { layeredSpace } from "../spaces.js";

/** The last parameter is conditional on the first one, which is in another tree. */
const apart: Space = [
  { name: "a", group: "a", kind: "categorical", choices: [0, 1] },
  ...layeredSpace(1),
  { name: "z", group: "z", kind: "categorical", choices: [0, 1, 2], when: { parameter: "a", in: [1] } },
];

for (const [name, space] of [
  ["two layers", layeredSpace(2)],
  ["a condition across trees", apart],
] as const) {
  describe(`Choice trees of ${name}`, () => {
    const encoded = encodeSpace(space);
    const choices = encoded.offset[encoded.size]!;
    const random = createRandomStream(7, 0, "problem");
    const table = Float64Array.from({ length: choices + 1 }, (_, k) => (k < choices ? random.normal() : 0));
    const all = [...enumerateConfigurations(encoded)];

    for (const mostLeaves of [1, 8, 1000]) {
      const trees = new ChoiceTrees(encoded, mostLeaves);

      test(`of ${mostLeaves} leaves sum up a table over the choices of every configuration`, () => {
        const sums = new Float64Array(trees.slots);
        trees.sumDown(table, sums);
        for (const codes of all) {
          const plain = sumAt(table, choiceIndices(encoded, codes));
          assert.ok(Math.abs(sumAt(sums, trees.leavesOf(codes)) - plain) < 1e-12);
        }
      });

      test(`of ${mostLeaves} leaves add weights of configurations to their choices`, () => {
        const sums = new Float64Array(trees.slots);
        const plain = new Float64Array(choices);
        for (const codes of all) {
          const weight = random.normal();
          addAt(sums, trees.leavesOf(codes), weight);
          addAt(plain, choiceIndices(encoded, codes), weight);
        }
        const back = new Float64Array(choices + 1);
        trees.sumUp(sums, back);
        for (let k = 0; k < choices; k++) {
          assert.ok(Math.abs(back[k]! - plain[k]!) < 1e-9, `${k}: ${back[k]} for ${plain[k]}`);
        }
      });
    }

    test("are a single tree without a limit of leaves, and one per parameter with a limit of 1", () => {
      const [codes] = all;
      assert.equal(new ChoiceTrees(encoded, Number.POSITIVE_INFINITY).leavesOf(codes!).length, 1);
      assert.equal(
        new ChoiceTrees(encoded, 1).leavesOf(codes!).length,
        choiceIndices(encoded, codes!).length,
      );
    });
  });
}
