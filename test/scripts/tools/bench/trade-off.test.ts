import assert from "node:assert/strict";
import { test } from "node:test";
import { generateTradeOff, volumeShare } from "../../../../scripts/tools/bench/search/trade-off.js";

test("a share of hypervolume is relative to the box between the best and the worst", () => {
  assert.equal(volumeShare([[0, 0]], [0, 0], [2, 4]), 1);
  assert.equal(volumeShare([[1, 2]], [0, 0], [2, 4]), 0.25);
  assert.equal(
    volumeShare(
      [
        [1, 2],
        [2, 0],
        [3, 3],
      ],
      [0, 0],
      [2, 4],
    ),
    0.25,
  );
  assert.equal(
    volumeShare(
      [
        [1, 0],
        [0, 2],
      ],
      [0, 0],
      [2, 4],
    ),
    0.75,
  );
});

test("in a trade-off the choice with the least loss costs most", () => {
  const { loss, cost } = generateTradeOff("t", 1, { layers: 12, choices: 4 });
  assert.equal(cost.parameters, loss.parameters);
  for (const [d, effects] of loss.main.entries()) {
    const at = (of: readonly number[], value: number): number => of.indexOf(value);
    const best = at(effects, Math.min(...effects));
    const worst = at(effects, Math.max(...effects));
    assert.ok(cost.main[d]![best]! > cost.main[d]![worst]!);
  }
});
