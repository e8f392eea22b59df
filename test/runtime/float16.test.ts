import assert from "node:assert/strict";
import { test } from "node:test";
import { float16Bits, float16Value } from "../../shared/runtime/float16.js";

test("every half-precision number survives a round trip", () => {
  for (let pattern = 0; pattern < 0x10000; pattern++) {
    const value = float16Value(pattern);
    if (!Number.isNaN(value)) assert.equal(float16Bits(value), pattern);
  }
});

test("known values", () => {
  assert.equal(float16Value(0x3c00), 1);
  assert.equal(float16Value(0xc000), -2);
  assert.equal(float16Value(0x7bff), 65504);
  assert.equal(float16Value(0x0001), 2 ** -24);
  assert.equal(float16Value(0xfc00), Number.NEGATIVE_INFINITY);
  assert.ok(Number.isNaN(float16Value(0x7e00)));
  assert.equal(float16Bits(Number.NaN), 0x7e00);
});

test("values in between round to the nearest, ties to even", () => {
  assert.equal(float16Bits(1 + 2 ** -11), 0x3c00);
  assert.equal(float16Bits(1 + 3 * 2 ** -11), 0x3c02);
  assert.equal(float16Bits(1 + 2 ** -11 + 2 ** -20), 0x3c01);
  assert.equal(float16Bits(2 ** -25), 0);
  assert.equal(float16Bits(1.5 * 2 ** -25), 1);
  assert.equal(float16Bits(65519), 0x7bff);
  assert.equal(float16Bits(65520), 0x7c00);
});
