import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { concatenateRows, packRows, unpackRows } from "../../../shared/run/protocol/rows.js";

fc.configureGlobal({ seed: 38 });

describe("packed rows", () => {
  test("preserve every 32-bit float", () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 50 }), (values) => {
        const back = unpackRows(packRows(values, 1));
        // Compared by bits, because NaN and -0 must be preserved too.
        assert.deepEqual(new Uint32Array(back.buffer), new Uint32Array(values.slice().buffer));
      }),
    );
  });

  test("use one bit for zeros and ones", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1), { maxLength: 100 }), (values) => {
        const packed = packRows(Float32Array.from(values), 1);
        assert.equal(packed.encoding, "bits");
        assert.equal(Buffer.from(packed.data, "base64").length, Math.ceil(values.length / 8));
        assert.deepEqual([...unpackRows(packed)], values);
      }),
    );
  });

  test("keep the shape of wide rows", () => {
    const packed = packRows(Float32Array.of(1, 2, 3, 4, 5, 6), 3);
    assert.deepEqual([packed.rows, packed.width], [2, 3]);
  });

  test("refuse values that do not make whole rows", () => {
    assert.throws(() => packRows(Float32Array.of(1, 2, 3), 2), RangeError);
  });

  for (const data of ["", "AAAA", "AAAAAAAAAAA="])
    test(`refuse data of another length than announced: "${data}"`, () => {
      assert.throws(() => unpackRows({ encoding: "float32", rows: 1, width: 1, data }), RangeError);
    });

  test("of shards are concatenated", () => {
    assert.deepEqual(
      [...concatenateRows([Float32Array.of(1, 2), Float32Array.of(), Float32Array.of(3)])],
      [1, 2, 3],
    );
  });
});
