import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { choiceIndices, EffectsModel, sumEffects } from "../../../shared/search/effects/effects-model.js";
import { PosteriorMean, type PosteriorRow } from "../../../shared/search/effects/posterior-mean.js";
import { initialRelevance } from "../../../shared/search/effects/relevance.js";
import { createKernels, drawProductKernel } from "../../../shared/search/kernels/kernels.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import { layeredSpace } from "../spaces.js";

const BASE = 10;
/** More than twice the number of rows that are folded at once. */
const ROWS = 90;
const encoded = encodeSpace(layeredSpace(4));
const relevance = initialRelevance(encoded);
const random = createRandomStream(6, 0, "problem");
const prior = createKernels(encoded, 0.5);
const all = Array.from({ length: BASE + ROWS }, () => drawProductKernel(prior, undefined, random));
const outcomes = Float64Array.from(all, () => random.normal());

const model = new EffectsModel(encoded, relevance);
for (const codes of all.slice(0, BASE)) {
  model.append(codes);
}
const baseMean = model.effects(outcomes.slice(0, BASE));
const rows: readonly PosteriorRow[] = all.slice(BASE).map((codes, i) => {
  model.append(codes);
  return {
    gain: model.lastGain(),
    coefficients: model.factor.row(BASE + i, BASE),
    predicted: sumEffects(baseMean, choiceIndices(encoded, codes)),
  };
});

function meanOf(count: number): PosteriorMean {
  const mean = new PosteriorMean(baseMean);
  for (const row of rows.slice(0, count)) {
    mean.append(row);
  }
  return mean;
}

/** Outcomes of the rows, NaN where unknown. */
function knownBut(unknown: (row: number) => boolean): Float64Array {
  return outcomes.slice(BASE).map((outcome, row) => (unknown(row) ? Number.NaN : outcome));
}

function plainMean(known: Float64Array): Float64Array {
  const plain = new EffectsModel(encoded, relevance);
  const knownOutcomes: number[] = [];
  for (const [i, codes] of all.entries()) {
    const outcome = i < BASE ? outcomes[i]! : known[i - BASE]!;
    if (!Number.isNaN(outcome)) {
      plain.append(codes);
      knownOutcomes.push(outcome);
    }
  }
  return plain.effects(knownOutcomes);
}

const patterns = [
  ["all known", () => false],
  ["none known", () => true],
  ["the last ones running", (row: number) => row >= 70],
  ["some running among the last", (row: number) => row > 66 && row % 3 === 0],
  ["one of the first still running", (row: number) => row === 3],
] as const;

describe("The posterior mean after a base", () => {
  for (const [name, unknown] of patterns) {
    const known = knownBut(unknown);
    const plain = plainMean(known);

    test(`is that of a plain model: ${name}`, () => {
      for (const [k, effect] of meanOf(ROWS).given(known).entries()) {
        assert.ok(Math.abs(effect - plain[k]!) < 1e-9, `${k}: ${effect} for ${plain[k]}`);
      }
    });

    test(`predicts rows with unknown outcomes: ${name}`, () => {
      const predicted = meanOf(ROWS).predict(known);
      for (const [row, codes] of all.slice(BASE).entries()) {
        const expected = sumEffects(plain, choiceIndices(encoded, codes));
        assert.ok(!unknown(row) || Math.abs(predicted[row]! - expected) < 1e-9, `row ${row}`);
      }
    });

    test(`is the same to the last bit whatever outcomes and rows were given before: ${name}`, () => {
      const winding = meanOf(40);
      winding.given(knownBut((row) => row > 35));
      for (const row of rows.slice(40)) {
        winding.append(row);
      }
      for (const [, before] of patterns) {
        winding.given(knownBut(before));
        winding.predict(knownBut((row) => row % 50 === 49));
      }
      winding.truncate(50);
      winding.given(knownBut((row) => row > 45));
      for (const row of rows.slice(50)) {
        winding.append(row);
      }
      assert.deepEqual(winding.given(known), meanOf(ROWS).given(known));
    });
  }
});
