import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { TensorProtoSchema } from "onnx-buf";
import { packCodes, unpackCodes } from "../../../shared/onnx/model/packed-codes.js";
import { DataType, tensorBytes } from "../../../shared/onnx/model/tensor.js";

fc.configureGlobal({ seed: 12, numRuns: 300 });

test("signed and unsigned codes survive packing, for odd and even numbers of codes", () => {
  for (const [signed, min, max] of [
    [true, -8, 7],
    [false, 0, 15],
  ] as const) {
    fc.assert(
      fc.property(fc.array(fc.integer({ min, max })), (codes) => {
        assert.deepEqual([...unpackCodes(packCodes(codes), codes.length, signed)], codes);
      }),
    );
  }
});

test("are laid out as in ONNX: the first in the low half, the last of an odd number alone", () => {
  assert.deepEqual([...packCodes([1, -1, -8])], [0xf1, 0x08]);
});

test("take half a byte each, rounded up per tensor", () => {
  for (const [dims, bytes] of [
    [[3, 3], 5],
    [[4], 2],
    [[], 1],
  ] as const) {
    const tensor = create(TensorProtoSchema, { dataType: DataType.INT4, dims: dims.map(BigInt) });
    assert.equal(tensorBytes(tensor), bytes);
  }
});
