import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { alwaysFits, channelsFirst, preprocess } from "../../shared/data/preprocessing.js";

const HALF = { scale: 1 / 255, mean: [0.5], std: [0.5] };

describe("(x * scale - mean[c]) / std[c]", () => {
  test("c is axis 1, and a single value applies to every channel", () => {
    const pixels = Uint8Array.of(0, 255, 51, 102, 0, 255, 51, 102);
    const perChannel = { scale: 1, mean: [0, 100], std: [1, 2] };
    const shape = [2, 2, 2];
    assert.deepEqual(
      preprocess(pixels, "uint8", "float32", perChannel, channelsFirst(shape), "x"),
      Float32Array.of(0, 255, -24.5, 1, 0, 255, -24.5, 1),
    );
    assert.deepEqual(
      preprocess(pixels, "uint8", "float32", HALF, channelsFirst(shape), "x"),
      Float32Array.from(pixels, (x) => (x * (1 / 255) - 0.5) / 0.5),
    );
  });

  test("is rounded once: the 32-bit result is the one nearest to the double result", () => {
    const x = Float64Array.of(0.1, 0.2, 0.3);
    const once = preprocess(x, "float64", "float32", { scale: 3 }, channelsFirst([3, 1]), "x");
    assert.deepEqual(once, Float32Array.of(0.1 * 3, 0.2 * 3, 0.3 * 3));
  });

  test("an array without a channel axis has one channel", () => {
    const rows = preprocess(
      Int32Array.of(1, 2),
      "int32",
      "float64",
      { scale: 2, mean: [1] },
      channelsFirst([2]),
      "x",
    );
    assert.deepEqual(rows, Float64Array.of(1, 3));
  });

  test("integers are rounded to the nearest, ties to even", () => {
    const half = { scale: 0.5 };
    const rows = preprocess(Int8Array.of(1, 3, 5, -1, -3), "int8", "int32", half, channelsFirst([5]), "x");
    assert.deepEqual(rows, Int32Array.of(0, 2, 2, -0, -2));
  });
});

describe("Conversion to the model's input type", () => {
  const same = { scale: 1 };
  const one = channelsFirst([1]);

  test("without preprocessing and with the same type nothing is copied", () => {
    const ids = BigInt64Array.of(7n);
    assert.equal(preprocess(ids, "int64", "int64", same, one, "x"), ids);
  });

  const casts = [
    ["uint8", "float32", Uint8Array.of(200), Float32Array.of(200)],
    ["uint8", "float16", Uint8Array.of(2), Uint16Array.of(0x4000)],
    ["float16", "float32", Uint16Array.of(0x4000), Float32Array.of(2)],
    ["int64", "int32", BigInt64Array.of(-5n), Int32Array.of(-5)],
    ["int32", "int64", Int32Array.of(-5), BigInt64Array.of(-5n)],
    ["int64", "bool", BigInt64Array.of(1n), Uint8Array.of(1)],
    ["bool", "float32", Uint8Array.of(1), Float32Array.of(1)],
    ["float64", "float32", Float64Array.of(0.1), Float32Array.of(0.1)],
  ] as const;
  for (const [from, to, given, expected] of casts) {
    test(`${from} to ${to}`, () => assert.deepEqual(preprocess(given, from, to, same, one, "x"), expected));
  }

  const beyond = [
    ["int32", "uint8", Int32Array.of(256), 256],
    ["int64", "bool", BigInt64Array.of(2n), 2],
    ["int64", "int32", BigInt64Array.of(2n ** 31n), 2 ** 31],
    ["float64", "float32", Float64Array.of(1e300), 1e300],
    ["int32", "float16", Int32Array.of(70000), 70000],
  ] as const;
  for (const [from, to, given, value] of beyond) {
    test(`${value} does not fit ${to}`, () => {
      assert.throws(() => preprocess(given, from, to, same, one, "x.npy"), {
        name: "DataError",
        message: `x.npy holds a value that becomes ${value}, which ${to} cannot hold; correct scale, mean and std or the array.`,
      });
    });
  }
});

describe("Whether every value of a type fits", () => {
  const geometry = channelsFirst([1, 2, 3]);
  for (const [from, to, scale, fits] of [
    ["uint8", "float32", 1 / 255, true],
    ["uint8", "float32", 1e37, false],
    ["uint8", "int8", 1, false],
    ["uint8", "int8", 0.4, true],
    ["int16", "float16", 1, true],
    ["int32", "float16", 1, false],
    // Floating values must be checked one by one.
    ["float32", "float32", 1, false],
  ] as const) {
    test(`${from} by ${scale} to ${to}: ${fits}`, () =>
      assert.equal(alwaysFits(from, to, { scale, mean: [0, 1] }, geometry), fits));
  }

  test("is false when one channel does not fit", () => {
    assert.equal(alwaysFits("uint8", "float32", { scale: 1, std: [1, 1e-38] }, geometry), false);
  });
});
