import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GrowingCholesky } from "../../shared/search/cholesky.js";
import { choicePlaces, EffectsModel, sumEffects } from "../../shared/search/effects-model.js";
import { type Codes, encodeSpace, INACTIVE } from "../../shared/search/encoding.js";
import { createKernels, drawProductKernel } from "../../shared/search/kernels.js";
import { createRandomStream } from "../../shared/search/random.js";
import { initialRelevance } from "../../shared/search/relevance.js";
import { layeredSpace } from "./spaces.js";

const encoded = encodeSpace(layeredSpace(3));
const choices = encoded.offset[encoded.size]!;
const random = createRandomStream(5, 0, "problem");
const prior = createKernels(encoded, 0.5);
const rows = Array.from({ length: 30 }, () => drawProductKernel(prior, undefined, random));
const truth = Float64Array.from({ length: choices + 1 }, () => random.normal());
const outcomes = rows.map((codes) => sumEffects(truth, choicePlaces(encoded, codes)) + 0.1 * random.normal());
const relevance = initialRelevance(encoded);

function modelOf(observations: readonly Codes[]): EffectsModel {
  const model = new EffectsModel(encoded, relevance);
  for (const codes of observations) {
    model.append(codes);
  }
  return model;
}

/**
 * The same posterior in the primal form: effects have the covariance variance * (K I - 1 1') / (K - 1), of
 * which the observations are a linear function; posterior mean = S X' (X S X' + noise I)^-1 y by plain sums.
 */
function primalMean(observations: readonly Codes[], y: readonly number[]): number[] {
  const features = observations.map((codes) => {
    const row = new Array<number>(choices + 1).fill(0);
    for (const [d, code] of codes.entries()) {
      if (code !== INACTIVE) {
        row[encoded.offset[d]! + code] = 1;
      }
    }
    row[choices] = 1;
    return row;
  });
  const covariance = Array.from({ length: choices + 1 }, () => new Array<number>(choices + 1).fill(0));
  covariance[choices]![choices] = 1;
  for (let d = 0; d < encoded.size; d++) {
    const k = encoded.cardinality[d]!;
    for (let a = 0; a < k; a++) {
      for (let b = 0; b < k; b++) {
        covariance[encoded.offset[d]! + a]![encoded.offset[d]! + b] =
          (relevance.variance[d]! * ((a === b ? k : 0) - 1)) / (k - 1);
      }
    }
  }
  const spread = features.map((row) =>
    covariance.map((line) => line.reduce((sum, value, k) => sum + value * row[k]!, 0)),
  );
  const factor = new GrowingCholesky();
  for (const [i, row] of features.entries()) {
    factor.append(
      spread
        .slice(0, i + 1)
        .map(
          (line, j) =>
            line.reduce((sum, value, k) => sum + value * row[k]!, 0) + (i === j ? relevance.noise : 0),
        ),
    );
  }
  const alpha = factor.solve(y);
  return Array.from({ length: choices + 1 }, (_, k) =>
    spread.reduce((sum, line, i) => sum + line[k]! * alpha[i]!, 0),
  );
}

describe("the additive effects model", () => {
  test("has the posterior mean of the primal form", () => {
    const effects = modelOf(rows).effects(outcomes);
    for (const [k, expected] of primalMean(rows, outcomes).entries()) {
      assert.ok(Math.abs(effects[k]! - expected) < 1e-9, `${k}: ${effects[k]} for ${expected}`);
    }
  });

  test("effects of a parameter add up to zero", () => {
    const effects = modelOf(rows).effects(outcomes);
    for (let d = 0; d < encoded.size; d++) {
      const sum = effects.slice(encoded.offset[d]!, encoded.offset[d + 1]!).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum) < 1e-9);
    }
  });

  test("forgets rows without a trace", () => {
    const model = modelOf(rows.slice(0, 20));
    const before = model.effects(outcomes.slice(0, 20));
    for (const codes of rows.slice(20)) {
      model.append(codes);
    }
    model.truncate(20);
    assert.deepEqual(model.effects(outcomes.slice(0, 20)), before);
  });
});
