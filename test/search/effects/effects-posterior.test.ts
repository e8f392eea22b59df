import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { choiceIndices, EffectsModel, sumEffects } from "../../../shared/search/effects/effects-model.js";
import {
  drawDeviations,
  EffectsPosterior,
  type PendingRow,
} from "../../../shared/search/effects/effects-posterior.js";
import { initialRelevance } from "../../../shared/search/effects/relevance.js";
import { createKernels, drawProductKernel } from "../../../shared/search/kernels/kernels.js";
import { complete } from "../../../shared/search/numerics/incremental-work.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { type Codes, encodeSpace } from "../../../shared/search/space/encoding.js";
import { densePosterior, sum } from "../dense-effects.js";
import { mixedSpace } from "../spaces.js";

const encoded = encodeSpace(mixedSpace(3));
const random = createRandomStream(5, 0, "problem");
const prior = createKernels(encoded, 0.5);
const relevance = initialRelevance(encoded);
const all = Array.from({ length: 30 }, () => drawProductKernel(prior, undefined, random));
const outcomes = Float64Array.from(all, () => random.normal());
const BASE = 12;
const pending: readonly PendingRow[] = all.slice(BASE).map((codes, i) => ({ number: BASE + i, codes }));

function modelOf(observations: readonly Codes[]): EffectsModel {
  const model = new EffectsModel(encoded, relevance);
  for (const codes of observations) {
    model.append(codes);
  }
  return model;
}

function posteriorOf(draws: number): EffectsPosterior {
  const model = modelOf(all.slice(0, BASE));
  const deviations = complete(drawDeviations(model, createRandomStream(9, 0, "posterior"), draws));
  const mean = model.effects(outcomes.slice(0, BASE));
  return new EffectsPosterior(model, mean, deviations, (row) => createRandomStream(9, row, "row"));
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) < 1e-9, `${i}: ${actual[i]} for ${expected[i]}`);
  }
}

describe("the posterior of the effects", () => {
  const known = outcomes.slice(BASE).map((outcome, i) => (i % 3 === 1 ? Number.NaN : outcome));
  const observed = all.map((_, i) => i).filter((i) => i < BASE || !Number.isNaN(known[i - BASE]!));

  test("has the mean of a model of the known rows alone", () => {
    const posterior = posteriorOf(2);
    posterior.condition(pending);
    const plain = modelOf(observed.map((i) => all[i]!)).effects(observed.map((i) => outcomes[i]!));
    assertClose(posterior.mean(known), plain);
    const predicted = pending.map(({ codes }) => sumEffects(plain, choiceIndices(encoded, codes)));
    const unknown = pending.map((_, i) => i).filter((i) => Number.isNaN(known[i]!));
    const expected = posterior.predict(known);
    assertClose(
      unknown.map((i) => expected[i]!),
      unknown.map((i) => predicted[i]!),
    );
  });

  test("draws have the variance given all rows, whether their outcomes are known or not", () => {
    const posterior = posteriorOf(3000);
    posterior.condition(pending.slice(1));
    const codes = pending[0]!.codes;
    const rows = all.filter((row) => row !== codes);
    const { covariance } = densePosterior(encoded, relevance, rows, new Float64Array(rows.length));
    const indices = [...choiceIndices(encoded, codes), covariance.length - 1];
    const variance = sum(indices.map((a) => sum(indices.map((b) => covariance[a]![b]!))));
    const stream = createRandomStream(4, 0, "sampler");
    const squares = (values: readonly number[]) => values.reduce((sum, v) => sum + v * v, 0) / values.length;
    const at = (effects: Float64Array) => sumEffects(effects, choiceIndices(encoded, codes));
    const kept = squares(posterior.sample(stream, 3000).map(({ effects, sign }) => sign * at(effects)));
    assert.ok(Math.abs(kept / variance - 1) < 0.1, `${kept} for ${variance}`);
    const combined = squares(Array.from({ length: 300 }, () => at(posterior.deviation(stream, 1))));
    assert.ok(Math.abs(combined / variance - 1) < 0.25, `${combined} for ${variance}`);
  });

  test("draws of effects have the covariance that dense Gaussian algebra gives, ordinal choices included", () => {
    const count = 4000;
    const posterior = posteriorOf(count);
    posterior.condition(pending);
    const { covariance } = densePosterior(encoded, relevance, all, outcomes);
    const draws = posterior.sample(createRandomStream(4, 0, "sampler"), count);
    for (const [a, row] of covariance.entries()) {
      for (const [b, expected] of row.entries()) {
        const found = sum(draws.map(({ effects }) => effects[a]! * effects[b]!)) / count;
        // Standard error of the covariance of normal draws.
        const error = Math.sqrt((covariance[a]![a]! * covariance[b]![b]! + expected ** 2) / count);
        assert.ok(Math.abs(found - expected) < 5 * error, `${a}, ${b}: ${found} for ${expected}`);
      }
    }
  });

  test("is the same to the last bit after rows were removed, or added a few at a time", () => {
    const straight = posteriorOf(4);
    straight.condition(pending);
    const winding = posteriorOf(4);
    winding.condition([...pending.slice(0, 5), ...pending.slice(9)]);
    winding.mean(outcomes.slice(BASE + 4));
    winding.condition(pending, 3);
    winding.condition(pending);
    assert.deepEqual(winding.mean(known), straight.mean(known));
    const draw = (posterior: EffectsPosterior) =>
      posterior.deviation(createRandomStream(1, 1, "sampler"), 0.4);
    assert.deepEqual(draw(winding), draw(straight));
  });
});
