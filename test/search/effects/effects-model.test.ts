import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { choiceIndices, EffectsModel, sumEffects } from "../../../shared/search/effects/effects-model.js";
import { initialRelevance } from "../../../shared/search/effects/relevance.js";
import { createKernels, drawProductKernel } from "../../../shared/search/kernels/kernels.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { type Codes, encodeSpace } from "../../../shared/search/space/encoding.js";
import { densePosterior } from "../dense-effects.js";
import { mixedSpace } from "../spaces.js";

const encoded = encodeSpace(mixedSpace(3));
const choices = encoded.offset[encoded.size]!;
const random = createRandomStream(5, 0, "problem");
const prior = createKernels(encoded, 0.5);
const rows = Array.from({ length: 30 }, () => drawProductKernel(prior, undefined, random));
const truth = Float64Array.from({ length: choices + 1 }, () => random.normal());
const outcomes = rows.map(
  (codes) => sumEffects(truth, choiceIndices(encoded, codes)) + 0.1 * random.normal(),
);
const relevance = initialRelevance(encoded);

function modelOf(observations: readonly Codes[]): EffectsModel {
  const model = new EffectsModel(encoded, relevance);
  for (const codes of observations) {
    model.append(codes);
  }
  return model;
}

describe("the additive effects model", () => {
  test("has the posterior mean that dense Gaussian algebra over the effects gives", () => {
    const effects = modelOf(rows).effects(outcomes);
    const { mean } = densePosterior(encoded, relevance, rows, outcomes);
    for (const [k, expected] of mean.entries()) {
      assert.ok(Math.abs(effects[k]! - expected) < 1e-9, `${k}: ${effects[k]} for ${expected}`);
    }
  });

  test("effects of a parameter sum to zero", () => {
    const effects = modelOf(rows).effects(outcomes);
    for (let d = 0; d < encoded.size; d++) {
      const sum = effects.slice(encoded.offset[d]!, encoded.offset[d + 1]!).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum) < 1e-9);
    }
  });

  test("is the same to the last bit after rows were added and removed", () => {
    const model = modelOf(rows.slice(0, 20));
    const before = model.effects(outcomes.slice(0, 20));
    for (const codes of rows.slice(20)) {
      model.append(codes);
    }
    model.truncate(20);
    assert.deepEqual(model.effects(outcomes.slice(0, 20)), before);
  });
});
