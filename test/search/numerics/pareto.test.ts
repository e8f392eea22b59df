import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  dominates,
  hypervolume,
  hypervolumeContributions,
  nonDominatedRanks,
  paretoFront,
  referencePoint,
} from "../../../shared/search/numerics/pareto.js";

fc.configureGlobal({ seed: 31 });

const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), {
  minLength: 1,
  maxLength: 25,
});

describe("the Pareto front", () => {
  test("of a small example", () => {
    const example = [
      [1, 4],
      [2, 2],
      [4, 1],
      [3, 3],
      [2, 2],
      [5, 5],
    ];
    assert.deepEqual(paretoFront(example), [0, 1, 2, 4]);
    assert.deepEqual([...nonDominatedRanks(example)], [0, 0, 0, 1, 0, 2]);
  });

  test("ranks count the fronts that must be removed first", () => {
    fc.assert(
      fc.property(points, (all) => {
        const ranks = nonDominatedRanks(all);
        let left = [...all.keys()];
        for (let rank = 0; left.length > 0; rank++) {
          const front = new Set(paretoFront(left.map((i) => all[i]!)).map((position) => left[position]!));
          assert.deepEqual(
            [...front].sort((a, b) => a - b),
            left.filter((i) => ranks[i] === rank),
          );
          left = left.filter((i) => !front.has(i));
        }
      }),
    );
  });

  test("contains exactly the points that no other dominates", () => {
    fc.assert(
      fc.property(points, (all) => {
        const front = new Set(paretoFront(all));
        for (const [i, point] of all.entries()) {
          assert.equal(
            all.some((other) => dominates(other, point)),
            !front.has(i),
          );
        }
      }),
    );
  });
});

describe("hypervolume", () => {
  test("counts the unit cells that a point dominates", () => {
    fc.assert(
      fc.property(points, (all) => {
        let cells = 0;
        for (let x = 0; x < 10; x++) {
          for (let y = 0; y < 10; y++) {
            cells += all.some(([a, b]) => a <= x && b <= y) ? 1 : 0;
          }
        }
        assert.equal(hypervolume(all, [10, 10]), cells);
      }),
    );
  });

  test("in three dimensions as well", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)), { minLength: 1, maxLength: 12 }),
        (all) => {
          let cells = 0;
          for (let cell = 0; cell < 125; cell++) {
            const [x, y, z] = [cell % 5, Math.floor(cell / 5) % 5, Math.floor(cell / 25)];
            cells += all.some(([a, b, c]) => a <= x && b <= y && c <= z) ? 1 : 0;
          }
          assert.equal(hypervolume(all, [5, 5, 5]), cells);
        },
      ),
    );
  });

  test("a point's contribution is the difference without it", () => {
    assert.deepEqual(
      [
        ...hypervolumeContributions(
          [
            [1, 3],
            [2, 2],
            [3, 1],
          ],
          [4, 4],
        ),
      ],
      [1, 1, 1],
    );
    assert.deepEqual(
      [
        ...hypervolumeContributions(
          [
            [1, 1],
            [2, 2],
          ],
          [4, 4],
        ),
      ],
      [5, 0],
    );
  });

  test("the reference point is worse than every point", () => {
    const reference = referencePoint([
      [1, 5],
      [3, 5],
    ]);
    assert.ok(reference[0]! > 3 && reference[1]! > 5);
  });
});
