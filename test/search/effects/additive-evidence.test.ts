import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdditiveEvidence, type DrawnEffects } from "../../../shared/search/effects/additive-evidence.js";
import { choiceIndices, sumEffects } from "../../../shared/search/effects/effects-model.js";
import { EvidenceRows } from "../../../shared/search/effects/evidence-rows.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";
import { flatSpace } from "../spaces.js";

const LAYERS = 8;
const encoded = encodeSpace(flatSpace(LAYERS, 2));

/** Choice 1 adds `ruin` in the first two layers and a small cost in the others. */
function outcomeOf(configuration: Configuration, ruin: number): number {
  return Object.values(configuration).reduce<number>(
    (sum, choice, layer) => sum + Number(choice) * (layer < 2 ? ruin : 0.1 * layer),
    0,
  );
}

/** The posterior mean after `trials` trials; each of the first two layers ruins one trial in six. */
function meanAfter(trials: number, ruin: number): DrawnEffects {
  const ledger = new TrialLedger(encoded);
  const random = createRandomStream(1, 0, "problem");
  for (let number = 0; number < trials; number++) {
    const choices = Array.from({ length: LAYERS }, (_, layer) =>
      random.below(layer < 2 ? 6 : 2) === 0 ? 1 : 0,
    );
    const configuration = Object.fromEntries(choices.map((choice, layer) => [`layer${layer}`, choice]));
    ledger.tell({
      number,
      configuration,
      state: "complete",
      values: [outcomeOf(configuration, ruin)],
      violation: 0,
      samples: 1,
    });
  }
  return new AdditiveEvidence(new EvidenceRows(ledger), { of: ({ values }) => values[0] }, 1).mean();
}

function predict({ effects, location, scale }: DrawnEffects, ...ones: readonly number[]): number {
  const codes = Int16Array.from({ length: LAYERS }, (_, layer) => (ones.includes(layer) ? 1 : 0));
  return location + scale * sumEffects(effects, choiceIndices(encoded, codes));
}

describe("additive evidence with outliers", () => {
  // With 64 trials all are in the base of the model; with 63 some come after it.
  for (const trials of [64, 63]) {
    test(`does not depend on the size of the outliers, after ${trials} trials`, () => {
      assert.deepEqual(meanAfter(trials, 1e3), meanAfter(trials, 1e6));
    });

    test(`explains outliers with two causes as well as those with one, after ${trials} trials`, () => {
      const mean = meanAfter(trials, 1e3);
      // Clipping both kinds of outliers to one value instead of censoring would leave about 0.1 of the
      // variance unexplained.
      assert.ok(mean.noise < 0.03, `${mean.noise}`);
      const cost = predict(mean, 7) - predict(mean);
      assert.ok(Math.abs(cost - 0.7) < 0.1, `${cost}`);
    });
  }
});
