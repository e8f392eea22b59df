import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createJointDensity, drawMember, logJointDensity } from "../../../shared/search/kernels/density.js";
import { EvidenceWeightedKernel } from "../../../shared/search/kernels/evidence-weighted-kernel.js";
import {
  createKernels,
  drawProductKernel,
  logKernel,
  logProductKernel,
} from "../../../shared/search/kernels/kernels.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import {
  type Codes,
  codesKey,
  encodeSpace,
  enumerateConfigurations,
  INACTIVE,
} from "../../../shared/search/space/encoding.js";
import { layeredSpace } from "../spaces.js";

const encoded = encodeSpace(layeredSpace(2));
const all = [...enumerateConfigurations(encoded)];
const kernels = createKernels(encoded, 0.2);
const float = all.find((codes) => codes[0] === 1 && codes[4] === 1)!;
const quantile = all.find((codes) => codes[2] === 2 && codes[6] === 2)!;

/** Checks the relative frequencies of drawn configurations against their probabilities. */
function assertDistribution(draw: () => Codes, probability: (codes: Codes) => number): void {
  const draws = 20_000;
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const key = codesKey(draw());
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const codes of all) {
    const expected = probability(codes);
    const observed = (counts.get(codesKey(codes)) ?? 0) / draws;
    const deviation = Math.sqrt((expected * (1 - expected)) / draws);
    assert.ok(Math.abs(observed - expected) <= 5 * deviation + 1e-4, `${codes}: ${observed} for ${expected}`);
  }
}

describe("coordinate kernels", () => {
  test("categorical: 1 - b for a match and b / (K - 1) otherwise", () => {
    assert.ok(Math.abs(Math.exp(logKernel(kernels, 2, 0, 0)) - 0.8) < 1e-12);
    assert.ok(Math.abs(Math.exp(logKernel(kernels, 2, 0, 1)) - 0.1) < 1e-12);
  });

  test("ordinal: near choices are more probable than far ones, and probabilities sum to one", () => {
    const probabilities = [0, 1, 2].map((choice) => Math.exp(logKernel(kernels, 3, 0, choice)));
    assert.ok(probabilities[1]! > probabilities[2]!);
    assert.ok(Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-12);
  });

  test("a parameter that the centre lacks follows the prior", () => {
    assert.ok(Math.abs(Math.exp(logKernel(kernels, 2, INACTIVE, 1)) - 1 / 3) < 1e-12);
  });

  for (const [name, centre] of [
    ["float", float],
    ["quantile", quantile],
    ["no centre", undefined],
  ] as const) {
    test(`the product around ${name} sums to one over the conditional space, and draws follow it`, () => {
      const total = all.reduce((sum, codes) => sum + Math.exp(logProductKernel(kernels, centre, codes)), 0);
      assert.ok(Math.abs(total - 1) < 1e-9);
      const random = createRandomStream(1, 0, "sampler");
      assertDistribution(
        () => drawProductKernel(kernels, centre, random),
        (codes) => Math.exp(logProductKernel(kernels, centre, codes)),
      );
    });
  }
});

describe("the joint density", () => {
  const density = createJointDensity(kernels, [float, quantile], [3, 1], 1);

  test("is the weighted sum of its components", () => {
    for (const codes of all) {
      const plain =
        0.6 * Math.exp(logProductKernel(kernels, float, codes)) +
        0.2 * Math.exp(logProductKernel(kernels, quantile, codes)) +
        0.2 * Math.exp(logProductKernel(kernels, undefined, codes));
      assert.ok(Math.abs(Math.exp(logJointDensity(density, codes)) - plain) < 1e-12);
    }
  });

  test("is the distribution of draws from a drawn member's kernel", () => {
    const random = createRandomStream(2, 0, "sampler");
    assertDistribution(
      () => drawProductKernel(kernels, drawMember(density, random), random),
      (codes) => Math.exp(logJointDensity(density, codes)),
    );
  });
});

describe("a kernel weighted by evidence", () => {
  const evidence = Float64Array.from({ length: encoded.offset[encoded.size]! }, (_, k) => Math.sin(3 * k));
  const unnormalized = (centre: Codes | undefined, codes: Codes) => {
    let sum = logProductKernel(kernels, centre, codes);
    for (const [d, code] of codes.entries()) {
      sum += code === INACTIVE ? 0 : evidence[encoded.offset[d]! + code]!;
    }
    return Math.exp(sum);
  };
  for (const [name, centre] of [
    ["float", float],
    ["quantile", quantile],
    ["no centre", undefined],
  ] as const) {
    const weighted = new EvidenceWeightedKernel(kernels, evidence);
    test(`around ${name}: its mode is the most probable of all configurations`, () => {
      const best = Math.max(...all.map((codes) => unnormalized(centre, codes)));
      assert.ok(Math.abs(unnormalized(centre, weighted.mode(centre)) - best) < 1e-12 * best);
    });
    test(`around ${name}: draws follow kernel times exp(evidence)`, () => {
      const total = all.reduce((sum, codes) => sum + unnormalized(centre, codes), 0);
      const random = createRandomStream(3, 0, "sampler");
      assertDistribution(
        () => weighted.draw(centre, random),
        (codes) => unnormalized(centre, codes) / total,
      );
    });
  }
});
