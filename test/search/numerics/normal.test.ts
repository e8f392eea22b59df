import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  logExpectedImprovement,
  logNormalCdf,
  normalQuantile,
} from "../../../shared/search/numerics/normal.js";

const density = (x: number): number => Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);

/** Simpson's rule. */
function integrate(f: (x: number) => number, from: number, to: number, steps = 20_000): number {
  const h = (to - from) / steps;
  let sum = f(from) + f(to);
  for (let i = 1; i < steps; i++) {
    sum += (i % 2 === 1 ? 4 : 2) * f(from + i * h);
  }
  return (sum * h) / 3;
}

describe("the normal distribution in the log domain", () => {
  test("the distribution function is the integral of the density", () => {
    for (const x of [-6, -3, -1, -0.2, 0, 0.7, 2, 5]) {
      const expected = Math.log(integrate(density, x - 30, x, 60_000));
      assert.ok(Math.abs(logNormalCdf(x) - expected) < 1e-6, `${x}: ${logNormalCdf(x)} for ${expected}`);
    }
  });

  test("the quantile is its inverse", () => {
    // Abramowitz and Stegun, "Handbook of Mathematical Functions", table 26.5.
    assert.ok(Math.abs(normalQuantile(0.1) - -1.28155) < 1e-5);
    for (const p of [1e-12, 0.01, 0.25, 0.5, 0.9, 0.999]) {
      assert.ok(Math.abs(Math.exp(logNormalCdf(normalQuantile(p))) / p - 1) < 1e-9, `${p}`);
    }
  });

  test("the expected improvement is its integral", () => {
    for (const u of [-6, -2, -0.5, 0, 1, 4]) {
      const expected = Math.log(integrate((z) => (u + z) * density(z), -u, -u + 30, 60_000));
      const actual = logExpectedImprovement(u);
      assert.ok(Math.abs(actual - expected) < 1e-4, `${u}: ${actual} for ${expected}`);
    }
  });

  test("both stay finite and increase far out in the tail", () => {
    for (let x = -60; x < -5; x++) {
      assert.ok(Number.isFinite(logNormalCdf(x)) && logNormalCdf(x) < logNormalCdf(x + 1));
      assert.ok(Number.isFinite(logExpectedImprovement(x)));
      assert.ok(logExpectedImprovement(x) < logExpectedImprovement(x + 1), `${x}`);
    }
  });
});
