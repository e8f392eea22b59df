import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { QuantizationParameters } from "../../../shared/onnx/graph/quantization-parameters.js";
import { NewNames } from "../../../shared/onnx/model/new-names.js";
import { DataType, dimensions, floatValues } from "../../../shared/onnx/model/tensor.js";

const SCALAR = {
  dataType: DataType.UINT8,
  scales: Float32Array.of(0.5),
  zeroPoints: [128],
  axis: undefined,
} as const;
const CHANNELS = {
  dataType: DataType.INT8,
  scales: Float32Array.of(0.5, 2),
  zeroPoints: [0, -3],
  axis: 0,
} as const;

function parameters(...taken: string[]): QuantizationParameters {
  return new QuantizationParameters(new NewNames(new Set(taken)));
}

describe("scales and zero points", () => {
  test("are initializers of their values, a scalar or one a channel", () => {
    const written = parameters();
    const [scale, zeroPoint] = written.of(SCALAR).initializers;
    assert.deepEqual([dimensions(scale!), floatValues(scale!)], [[], Float32Array.of(0.5)]);
    assert.deepEqual([dimensions(zeroPoint!), zeroPoint!.dataType], [[], DataType.UINT8]);
    assert.deepEqual([...zeroPoint!.rawData], [128]);
    const [scales, zeroPoints] = written.of(CHANNELS).initializers;
    assert.deepEqual([dimensions(scales!), floatValues(scales!)], [[2], CHANNELS.scales]);
    assert.deepEqual([dimensions(zeroPoints!), zeroPoints!.dataType], [[2], DataType.INT8]);
    assert.deepEqual([...new Int8Array(zeroPoints!.rawData)], CHANNELS.zeroPoints);
  });

  test("are written once where they are equal", () => {
    const written = parameters();
    const first = written.of(SCALAR);
    assert.deepEqual(written.of({ ...SCALAR }), { names: first.names, initializers: [] });
    const other = written.of({ ...SCALAR, scales: Float32Array.of(0.25) });
    assert.equal(other.names[1], first.names[1]);
    assert.deepEqual(
      other.initializers.map(({ name }) => name),
      [other.names[0]],
    );
  });

  test("differ by type, by shape and by each value", () => {
    const written = parameters();
    const different = [
      SCALAR,
      { ...SCALAR, dataType: DataType.INT8, zeroPoints: [-128] },
      { ...SCALAR, axis: 0 },
      { ...SCALAR, dataType: DataType.UINT16 },
      { ...SCALAR, zeroPoints: [127] },
      CHANNELS,
      { ...CHANNELS, zeroPoints: [-3, 0] },
    ] as const;
    const zeroPoints = different.map((each) => written.of(each).names[1]!);
    assert.equal(new Set(zeroPoints).size, different.length);
    const scales = [SCALAR, { ...SCALAR, axis: 0 }, CHANNELS].map((each) => written.of(each).names[0]!);
    assert.equal(new Set(scales).size, 3);
  });

  test("are named in short, by value where a zero point is a scalar", () => {
    const written = parameters();
    const signed = { ...SCALAR, dataType: DataType.INT16, zeroPoints: [-7] } as const;
    assert.deepEqual(
      [SCALAR, signed, CHANNELS].map((each) => written.of(each).names),
      [
        ["s1", "u8_128"],
        ["s1", "i16_-7"],
        ["s2", "z1"],
      ],
    );
  });

  test("take no name that the model has", () => {
    assert.deepEqual(parameters("s1", "u8_128").of(SCALAR).names, ["s1/1", "u8_128/1"]);
  });

  test("zero points are left out where none are given", () => {
    const { names, initializers } = parameters().of({ ...SCALAR, zeroPoints: undefined });
    assert.deepEqual(names, ["s1"]);
    assert.deepEqual(
      initializers.map(({ name }) => name),
      ["s1"],
    );
  });
});
