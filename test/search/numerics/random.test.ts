import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRandomStream, philox4x32 } from "../../../shared/search/numerics/random.js";

describe("Philox 4x32-10", () => {
  // The known-answer vectors of Random123 1.09.
  const vectors = [
    { counter: [0, 0, 0, 0], key: [0, 0], expected: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      expected: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      expected: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const;
  for (const { counter, key, expected } of vectors) {
    test(`counter ${counter.map((word) => word.toString(16)).join(" ")}`, () => {
      assert.deepEqual(philox4x32(counter, key), [...expected]);
    });
  }
});

describe("a trial's random numbers", () => {
  const first = (seed: number, trial: number) => {
    const stream = createRandomStream(seed, trial, "sampler");
    return Array.from({ length: 8 }, () => stream.uniform());
  };

  test("follow from seed and trial number", () => {
    assert.deepEqual(first(7, 3), first(7, 3));
    assert.notDeepEqual(first(7, 3), first(7, 4));
    assert.notDeepEqual(first(7, 3), first(8, 3));
    assert.notDeepEqual(first(7, 3), first(7 + 2 ** 32, 3));
  });

  test("differ from purpose to purpose", () => {
    assert.notEqual(first(1, 1)[0], createRandomStream(1, 1, "noise").uniform());
  });

  test("are uniform and normal", () => {
    const stream = createRandomStream(1, 0, "sampler");
    const count = 20_000;
    const uniforms = Array.from({ length: count }, () => stream.uniform());
    const normals = Array.from({ length: count }, () => stream.normal());
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
    assert.ok(Math.abs(mean(uniforms) - 0.5) < 0.01);
    assert.ok(Math.abs(mean(uniforms.map((u) => u * u)) - 1 / 3) < 0.01);
    assert.ok(Math.abs(mean(normals)) < 0.03);
    assert.ok(Math.abs(mean(normals.map((z) => z * z)) - 1) < 0.05);
    assert.ok(Math.abs(mean(normals.map((z) => z ** 4)) - 3) < 0.3);
    assert.ok(uniforms.every((u) => u >= 0 && u < 1));
  });
});
