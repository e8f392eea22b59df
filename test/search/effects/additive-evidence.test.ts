import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AdditiveEvidence, type DrawnEffects } from "../../../shared/search/effects/additive-evidence.js";
import { choicePlaces, sumEffects } from "../../../shared/search/effects/effects-model.js";
import { EvidenceRows } from "../../../shared/search/effects/evidence-rows.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";
import { flatSpace } from "../spaces.js";

const LAYERS = 8;
const encoded = encodeSpace(flatSpace(LAYERS, 2));

/** Choice 1 of the first two layers ruins everything; of the others, it costs a little. */
function outcomeOf(configuration: Configuration, ruin: number): number {
  return Object.values(configuration).reduce<number>(
    (sum, choice, layer) => sum + Number(choice) * (layer < 2 ? ruin : 0.1 * layer),
    0,
  );
}

/** The evidence after so many trials, one in six of them ruined by each of the first two layers. */
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

function foretold({ effects, location, scale }: DrawnEffects, ...ones: readonly number[]): number {
  const codes = Int16Array.from({ length: LAYERS }, (_, layer) => (ones.includes(layer) ? 1 : 0));
  return location + scale * sumEffects(effects, choicePlaces(encoded, codes));
}

describe("additive evidence on outcomes that are ruined", () => {
  // All of them in the base of the model, and some behind it.
  for (const trials of [64, 63]) {
    test(`does not depend on how far those fell, after ${trials} trials`, () => {
      assert.deepEqual(meanAfter(trials, 1e3), meanAfter(trials, 1e6));
    });

    test(`takes one that was ruined twice for no contradiction, after ${trials} trials`, () => {
      const mean = meanAfter(trials, 1e3);
      // Were both once and twice ruined ones at the ceiling, almost a tenth of the variance would be left unexplained.
      assert.ok(mean.noise < 0.03, `${mean.noise}`);
      const cost = foretold(mean, 7) - foretold(mean);
      assert.ok(Math.abs(cost - 0.7) < 0.1, `${cost}`);
    });
  }
});
