import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GrowingCholesky } from "../../shared/search/cholesky.js";
import { EffectsModel, initialRelevance, sumEffects } from "../../shared/search/effects-model.js";
import { type Codes, encodeSpace, INACTIVE } from "../../shared/search/encoding.js";
import { createKernels, drawProductKernel } from "../../shared/search/kernels.js";
import { createRandomStream } from "../../shared/search/random.js";
import { layeredSpace } from "./spaces.js";

const encoded = encodeSpace(layeredSpace(3));
const choices = encoded.offset[encoded.size]!;
const random = createRandomStream(5, 0, "problem");
const prior = createKernels(encoded, 0.5);
const rows = Array.from({ length: 30 }, () => drawProductKernel(prior, undefined, random));
const truth = Float64Array.from({ length: choices + 1 }, () => random.normal());
const outcomes = rows.map((codes) => sumEffects(encoded, truth, codes) + 0.1 * random.normal());
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

  test("draws scatter as the posterior covariance says", () => {
    // For a configuration x the posterior variance of the sum is k(x, x) - k(x, X) (K + noise)^-1 k(X, x).
    const model = modelOf(rows.slice(1));
    const codes = rows[0]!;
    const stream = createRandomStream(9, 0, "sampler");
    const draws = Array.from({ length: 4000 }, () => sumEffects(encoded, model.deviation(stream, 1), codes));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
    const unit = (i: number) => rows.slice(1).map((_, j) => (i === j ? 1 : 0));
    // The mean is linear in the outcomes, so its weights are what it makes of unit outcomes.
    const weights = rows.slice(1).map((_, i) => sumEffects(encoded, model.effects(unit(i)), codes));
    const alone = new EffectsModel(encoded, relevance);
    alone.append(codes);
    const self = priorCovariance(codes, codes);
    const reduction = weights.reduce((sum, w, i) => sum + w * priorCovariance(codes, rows[i + 1]!), 0);
    assert.ok(Math.abs(mean) < 0.05);
    assert.ok(Math.abs(variance / (self - reduction) - 1) < 0.1, `${variance} for ${self - reduction}`);
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

  test("finds which parameter matters", () => {
    // Only the first layer's estimator moves the outcome.
    const stream = createRandomStream(11, 0, "problem");
    const observed = Array.from({ length: 80 }, () => drawProductKernel(prior, undefined, stream));
    const y = observed.map((codes) => (codes[2] === 1 ? 1.5 : -0.5) + 0.05 * stream.normal());
    let current = relevance;
    for (let step = 0; step < 5; step++) {
      const model = new EffectsModel(encoded, current);
      for (const codes of observed) {
        model.append(codes);
      }
      current = model.reestimate(y);
    }
    const ofOthers = (own: boolean) =>
      current.variance.filter((_, d) => d !== 2 && d !== 0 && (encoded.space[d]!.group === "layer0") === own);
    assert.ok(current.variance[2]! > 10 * Math.max(...ofOthers(false)), `${current.variance}`);
    // Its own group's are expected to matter more, and so are given up later.
    assert.ok(current.variance[2]! > 4 * Math.max(...ofOthers(true)), `${current.variance}`);
    assert.ok(current.noise < 0.05);
  });

  test("expects more of the parameters of a group whose switch matters", () => {
    // Layer 0's switch alone moves the outcome; its mode and layer 1's have never been varied.
    const off = encoded.codeOf[0]!.get(false)!;
    const varied = (codes: Codes) => codes.map((code, d) => (d === 0 || code === INACTIVE ? code : 0));
    const observed = rows.map(varied);
    const model = modelOf(observed);
    const { variance } = model.reestimate(observed.map((codes) => (codes[0] === off ? 1 : -1)));
    const modes = ["layer0.mode", "layer1.mode"].map((name) => variance[encoded.indexOf.get(name)!]!);
    assert.ok(modes[0]! > 2 * modes[1]!, `${modes}`);
  });
});

function priorCovariance(a: Codes, b: Codes): number {
  let sum = 1;
  for (let d = 0; d < encoded.size; d++) {
    if (a[d] !== INACTIVE && b[d] !== INACTIVE) {
      sum += relevance.variance[d]! * (a[d] === b[d] ? 1 : -1 / (encoded.cardinality[d]! - 1));
    }
  }
  return sum;
}
