import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nearCandidates } from "../../../shared/search/kernels/near-candidates.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import {
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../../../shared/search/space/encoding.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import type { FinishedTrial } from "../../../shared/search/trials/sampler.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";
import { layeredSpace } from "../spaces.js";

const LAYERS = 5;
const encoded = encodeSpace(layeredSpace(LAYERS));

/** Every layer quantized except these. */
function withFloat(...layers: number[]): Configuration {
  return Object.fromEntries(
    Array.from({ length: LAYERS }, (_, layer): [string, string | boolean][] =>
      layers.includes(layer)
        ? [[`layer${layer}.quantize`, false]]
        : [
            [`layer${layer}.quantize`, true],
            [`layer${layer}.mode`, "symmetric"],
            [`layer${layer}.estimator`, "max"],
          ],
    ).flat(),
  );
}

const base = encodeConfiguration(encoded, withFloat());

function candidatesAfter(
  ...trials: readonly Pick<FinishedTrial, "configuration" | "values" | "violation" | "state">[]
) {
  const ledger = new TrialLedger(encoded);
  for (const [i, trial] of trials.entries()) {
    ledger.tell({ ...trial, number: i + 1, accuracyLoss: trial.violation, samples: 1 });
  }
  return [...nearCandidates(ledger, base, createRandomStream(1, 9, "sampler"), 1)];
}

const parentsOf = (candidates: ReturnType<typeof candidatesAfter>) =>
  new Set(candidates.map(({ near }) => near.entry.trial.number));

describe("Near candidates", () => {
  test("include the best trial with each group in turn set back to the base", () => {
    const best = { configuration: withFloat(1, 3), values: [0.4], violation: 0, state: "complete" } as const;
    const [first, second] = candidatesAfter(best);
    assert.deepEqual(decodeConfiguration(encoded, first!.codes), withFloat(3));
    assert.deepEqual(decodeConfiguration(encoded, second!.codes), withFloat(1));
  });

  test("belong to the space, and correlate less with their trial the more parameters they change", () => {
    const best = { configuration: withFloat(2), values: [0.4], violation: 0, state: "complete" } as const;
    const candidates = candidatesAfter(best);
    assert.ok(candidates.length > 4);
    for (const { codes, near } of candidates) {
      encodeConfiguration(encoded, decodeConfiguration(encoded, codes));
      const own = decodeConfiguration(encoded, codes);
      const changed = Object.entries(own).filter(([name, value]) => {
        const before = near.entry.trial.configuration[name];
        return before !== undefined && before !== value;
      }).length;
      assert.ok(
        Math.abs(near.correlation - 0.8 ** changed) < 1e-12,
        `${near.correlation} for ${changed} changes`,
      );
    }
  });

  test("start from the best trials and those better but for the bound, not from trials stopped early", () => {
    const trial = (inFloat: number[], violation: number, state: "complete" | "pruned" = "complete") => ({
      configuration: withFloat(...inFloat),
      values: [inFloat.length],
      violation,
      state,
    });
    const candidates = candidatesAfter(
      trial([0, 1], 0),
      trial([0], 0.1),
      trial([1], 2),
      trial([2], 3),
      trial([0, 1, 2], 0.05),
      trial([], 0, "pruned"),
      trial([3, 4], 0),
    );
    assert.deepEqual(parentsOf(candidates), new Set([1, 7, 2, 3]));
  });

  test("are empty without a complete trial", () => {
    assert.deepEqual(
      candidatesAfter({ configuration: withFloat(), values: [0], violation: 0, state: "pruned" }),
      [],
    );
  });

  test("have the same switches as their trial exactly where the same groups are in float", () => {
    const best = { configuration: withFloat(1, 3), values: [2], violation: 0, state: "complete" } as const;
    const candidates = candidatesAfter(best);
    assert.ok(
      candidates.some(({ near }) => near.sameSwitches) && candidates.some(({ near }) => !near.sameSwitches),
    );
    for (const { codes, near } of candidates) {
      const inFloat = encoded.groups.filter((group) => codes[group.switch] === 1).map(({ name }) => name);
      assert.equal(near.sameSwitches, inFloat.join() === "layer1,layer3", inFloat.join());
    }
  });
});
