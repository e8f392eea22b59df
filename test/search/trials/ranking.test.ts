import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { improvementWeights } from "../../../shared/search/kernels/trial-weights.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import { compareTrials, rankPareto } from "../../../shared/search/trials/ranking.js";
import type { FinishedTrial } from "../../../shared/search/trials/sampler.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";
import { flatSpace } from "../spaces.js";

function trial(
  number: number,
  state: FinishedTrial["state"],
  values: readonly number[],
  violation = 0,
): FinishedTrial {
  return { number, state, values, violation, samples: 1, configuration: { layer0: number % 50 } };
}

const mapConcurrently: readonly FinishedTrial[] = [
  trial(9, "complete", [1]),
  trial(2, "complete", [3]),
  trial(4, "complete", [3]),
  trial(1, "pruned", [0]),
  trial(8, "complete", [0], 0.1),
  trial(3, "complete", [-5], 2),
  trial(7, "pruned", [0], 0.05),
  trial(6, "failed", []),
];

test("feasible before infeasible by violation, complete before pruned, failed last, ties by number", () => {
  const sorted = [...mapConcurrently].sort((a, b) => a.number - b.number).sort(compareTrials);
  assert.deepEqual(sorted, mapConcurrently);
});

test("the ledger keeps the ranking in whatever order results arrive", () => {
  for (const shift of [0, 3, 5]) {
    const ledger = new TrialLedger(encodeSpace(flatSpace(1, 50)));
    for (const told of [...mapConcurrently.slice(shift), ...mapConcurrently.slice(0, shift)]) {
      ledger.tell(told);
    }
    assert.deepEqual(
      ledger.ranked.map((entry) => entry.trial),
      mapConcurrently,
    );
    assert.deepEqual(
      ledger.finished.map((entry) => entry.trial.number),
      [1, 2, 3, 4, 6, 7, 8, 9],
    );
  }
});

test("several objectives: non-dominated ranks first, then hypervolume", () => {
  const points = [
    trial(0, "complete", [5, 5]),
    trial(1, "complete", [1, 4]),
    trial(2, "complete", [1.9, 3.9]),
    trial(3, "complete", [4, 1]),
    trial(4, "failed", []),
    trial(5, "complete", [0, 0], 1),
  ];
  const ranked = rankPareto(points.map((told) => ({ trial: told })));
  assert.deepEqual(
    ranked.map(({ entry }) => entry.trial.number),
    [3, 1, 2, 0, 5, 4],
  );
});

describe("improvement weights", () => {
  const entries = (trials: readonly FinishedTrial[]) =>
    trials.map((told) => ({ number: told.number, trial: told, codes: new Int16Array(1) }));
  test("are the differences to the best of the other trials", () => {
    const good = entries([trial(0, "complete", [1]), trial(1, "complete", [2])]);
    assert.deepEqual([...improvementWeights(good, entries([trial(2, "complete", [4])])[0])], [3, 2]);
  });
  test("of infeasible trials are differences in violation", () => {
    const good = entries([trial(0, "complete", [9], 1), trial(1, "complete", [1], 2)]);
    assert.deepEqual([...improvementWeights(good, entries([trial(2, "complete", [4], 4)])[0])], [3, 2]);
  });
  test("have the same ratios whatever the unit of the outcome", () => {
    const shares = (unit: number) => {
      const good = entries([trial(0, "complete", [unit]), trial(1, "complete", [3 * unit])]);
      const weights = improvementWeights(good, entries([trial(2, "complete", [3 * unit])])[0]);
      return weights.map((weight) => weight / weights[0]!);
    };
    for (const unit of [1e-15, 1e15]) {
      assert.ok(Math.abs(shares(unit)[1]! / shares(1)[1]! - 1) < 1e-9, `${shares(unit)}`);
    }
  });
  test("are never zero", () => {
    const good = entries([trial(0, "complete", [1])]);
    assert.ok(improvementWeights(good, entries([trial(2, "failed", [])])[0])[0]! > 0);
    assert.ok(improvementWeights(good, undefined)[0]! > 0);
  });
});
