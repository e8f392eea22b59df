import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EffectsModel, type Relevance } from "../../../shared/search/effects/effects-model.js";
import { fitEffects, initialRelevance, reestimate } from "../../../shared/search/effects/relevance.js";
import { createKernels, drawProductKernel } from "../../../shared/search/kernels/kernels.js";
import { complete, IncrementalWork } from "../../../shared/search/numerics/incremental-work.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { type Codes, encodeSpace, repairActivity } from "../../../shared/search/space/encoding.js";
import { choiceCovariance, densePosterior, product, pseudoInverse, sum } from "../dense-effects.js";
import { layeredSpace, mixedSpace } from "../spaces.js";

const encoded = encodeSpace(layeredSpace(3));
const random = createRandomStream(5, 0, "problem");
const prior = createKernels(encoded, 0.5);
const rows = Array.from({ length: 30 }, () => drawProductKernel(prior, undefined, random));

function modelOf(observations: readonly Codes[], relevance: Relevance): EffectsModel {
  const model = new EffectsModel(encoded, relevance);
  for (const codes of observations) {
    model.append(codes);
  }
  return model;
}

describe("the relevance of parameters", () => {
  test("finds which parameter matters", () => {
    // Only the first layer's estimator moves the outcome.
    const stream = createRandomStream(11, 0, "problem");
    const observed = Array.from({ length: 80 }, () => drawProductKernel(prior, undefined, stream));
    const y = observed.map((codes) => (codes[2] === 1 ? 1.5 : -0.5) + 0.05 * stream.normal());
    let current = initialRelevance(encoded);
    for (let step = 0; step < 5; step++) {
      current = complete(reestimate(modelOf(observed, current), y));
    }
    const ofOthers = (own: boolean) =>
      current.variance.filter((_, d) => d !== 2 && d !== 0 && (encoded.space[d]!.group === "layer0") === own);
    assert.ok(current.variance[2]! > 10 * Math.max(...ofOthers(false)), `${current.variance}`);
    // Parameters of the same group have a larger prior variance, so theirs shrink later.
    assert.ok(current.variance[2]! > 4 * Math.max(...ofOthers(true)), `${current.variance}`);
    assert.ok(current.noise < 0.05);
  });

  test("weighs squared and well-determined effects by the covariance of the choices", () => {
    const space = encodeSpace(mixedSpace(2));
    const stream = createRandomStream(3, 0, "problem");
    const uniform = createKernels(space, 0.5);
    const observed = Array.from({ length: 25 }, () => drawProductKernel(uniform, undefined, stream));
    const y = observed.map(() => stream.normal());
    const initial = initialRelevance(space);
    const model = new EffectsModel(space, initial);
    for (const codes of observed) {
      model.append(codes);
    }
    const { variance } = complete(reestimate(model, y));
    const { mean, covariance } = densePosterior(space, initial, observed, y);
    // Each alone in its group, so that no other parameter influences its prior.
    for (const name of ["level", "scheme"]) {
      const d = space.indexOf.get(name)!;
      const [start, choices] = [space.offset[d]!, space.cardinality[d]!];
      const precision = pseudoInverse(choiceCovariance(choices, space.ordinal[d] === 1));
      const own = mean.slice(start, start + choices);
      const squares = product(
        own,
        precision.map((row) => product(row, own)),
      );
      const left = sum(
        precision.map((row, i) => product(row, covariance[start + i]!.slice(start, start + choices))),
      );
      const determined = choices - 1 - left / initial.variance[d]!;
      // The prior is half an equal share of the variance, with the weight of one pseudo-observation.
      const expected = (squares + 0.5 / space.size) / (determined + 1);
      assert.ok(Math.abs(variance[d]! / expected - 1) < 1e-9, `${name}: ${variance[d]} for ${expected}`);
    }
  });

  test("gives the parameters of a group whose switch matters a larger variance", () => {
    // Only layer 0's switch influences the outcome; its mode and layer 1's have never been varied.
    const off = encoded.codeOf[0]!.get(false)!;
    const switchOn = encoded.indexOf.get("layer1.mode")! - 1;
    const varied = (codes: Codes) => {
      const same = codes.map((code, d) => (d === 0 ? code : d === switchOn ? 1 - off : 0));
      return repairActivity(encoded, same, Array.from(same.keys()));
    };
    const observed = rows.map(varied);
    const outcomes = observed.map((codes) => (codes[0] === off ? 1 : -1));
    const { variance } = complete(reestimate(modelOf(observed, initialRelevance(encoded)), outcomes));
    const modes = ["layer0.mode", "layer1.mode"].map((name) => variance[encoded.indexOf.get(name)!]!);
    assert.ok(modes[0]! > 2 * modes[1]!, `${modes}`);
  });

  test("is the same to the last bit in whatever slices the work is done", () => {
    const outcomes = Float64Array.from(rows, (codes) => (codes[2] === 1 ? 1 : -1));
    const work = () => fitEffects(encoded, rows, () => outcomes);
    const atOnce = complete(work());
    const spread = new IncrementalWork(work());
    let calls = 0;
    for (; spread.result === undefined; calls++) {
      spread.advance(500);
    }
    assert.ok(calls > 20, `${calls} calls`);
    assert.deepEqual(spread.finish().relevance, atOnce.relevance);
    assert.deepEqual(spread.finish().effects(outcomes), atOnce.effects(outcomes));
  });
});
