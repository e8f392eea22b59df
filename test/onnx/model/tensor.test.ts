import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TensorProtoSchema } from "onnx-buf";
import { ModelError } from "../../../shared/basics/errors.js";
import {
  DataType,
  dimensions,
  elementCount,
  exactIntValues,
  floatValues,
  intValues,
  makeTensor,
  tensorBytes,
} from "../../../shared/onnx/model/tensor.js";

const refusal = (message: string) => new ModelError(message);

describe("tensors", () => {
  test("floats are read from raw data, without a copy where they are aligned", () => {
    const data = Float32Array.of(1, -2, 3.5, 0);
    const tensor = makeTensor("w", DataType.FLOAT, [2, 2], data);
    assert.deepEqual(floatValues(tensor), data);
    assert.equal(floatValues(tensor).buffer, data.buffer);
  });

  test("floats are read from raw data that are not aligned", () => {
    const bytes = new Uint8Array(9);
    bytes.set(new Uint8Array(Float32Array.of(1.5, -2.5).buffer), 1);
    const tensor = create(TensorProtoSchema, {
      name: "w",
      dataType: DataType.FLOAT,
      dims: [2n],
      rawData: bytes.subarray(1),
    });
    assert.deepEqual(floatValues(tensor), Float32Array.of(1.5, -2.5));
  });

  test("floats are read from the field of their type", () => {
    const tensor = create(TensorProtoSchema, {
      name: "w",
      dataType: DataType.FLOAT,
      dims: [3n],
      floatData: [1, 2, 3],
    });
    assert.deepEqual(floatValues(tensor), Float32Array.of(1, 2, 3));
  });

  test("integers are read from raw data and from the fields of their types", () => {
    const wide = makeTensor("i", DataType.INT64, [2], BigInt64Array.of(-1n, 2n ** 40n));
    assert.deepEqual(intValues(wide), [-1, 2 ** 40]);
    assert.deepEqual(intValues(makeTensor("i", DataType.INT32, [2], Int32Array.of(-7, 9))), [-7, 9]);
    const fields = { name: "i", dims: [2n] };
    assert.deepEqual(
      intValues(create(TensorProtoSchema, { ...fields, dataType: DataType.INT64, int64Data: [4n, -5n] })),
      [4, -5],
    );
    assert.deepEqual(
      intValues(create(TensorProtoSchema, { ...fields, dataType: DataType.INT32, int32Data: [4, -5] })),
      [4, -5],
    );
  });

  test("integers keep all 64 bits where read exactly, and are refused where a number cannot hold them", () => {
    const wide = makeTensor("ends", DataType.INT64, [2], BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)));
    assert.deepEqual(exactIntValues(wide), [2n ** 63n - 1n, -(2n ** 63n)]);
    assert.throws(
      () => intValues(wide),
      refusal(
        'Initializer "ends" holds 9223372036854775807, which is no size or axis; export the model again.',
      ),
    );
  });

  test("a scalar has one element, a shape with a zero none", () => {
    assert.equal(elementCount([]), 1);
    assert.equal(elementCount([3, 0, 2]), 0);
    assert.deepEqual(
      floatValues(makeTensor("s", DataType.FLOAT, [], Float32Array.of(4))),
      Float32Array.of(4),
    );
    assert.deepEqual(
      floatValues(makeTensor("e", DataType.FLOAT, [0], new Float32Array())),
      new Float32Array(),
    );
  });

  test("bytes follow from shape and type, whichever field holds the data", () => {
    assert.equal(tensorBytes(makeTensor("a", DataType.FLOAT, [2, 3], new Float32Array(6))), 24);
    assert.equal(tensorBytes(makeTensor("b", DataType.INT8, [5], new Int8Array(5))), 5);
    assert.equal(tensorBytes(makeTensor("c", DataType.INT64, [2], new BigInt64Array(2))), 16);
    assert.deepEqual(dimensions(makeTensor("a", DataType.FLOAT, [2, 3], new Float32Array(6))), [2, 3]);
  });

  test("a tensor of another type is refused", () => {
    const half = create(TensorProtoSchema, { name: "w", dataType: DataType.FLOAT16, dims: [1n] });
    assert.throws(
      () => floatValues(half),
      refusal('Initializer "w" has element type FLOAT16 where FLOAT is needed; export the model in float32.'),
    );
    assert.throws(
      () => intValues(half),
      refusal('Initializer "w" has element type FLOAT16 where an integer is needed; check the exporter.'),
    );
  });

  test("a tensor that holds more or fewer elements than its shape says is refused", () => {
    const short = makeTensor("w", DataType.FLOAT, [2, 2], new Float32Array(3));
    assert.throws(
      () => floatValues(short),
      refusal(
        'Initializer "w" holds 3 elements where its shape [2, 2] says 4; the file is damaged, export it again.',
      ),
    );
    const long = makeTensor("axes", DataType.INT64, [1], new BigInt64Array(2));
    assert.throws(
      () => intValues(long),
      refusal(
        'Initializer "axes" holds 2 elements where its shape [1] says 1; the file is damaged, export it again.',
      ),
    );
  });
});
