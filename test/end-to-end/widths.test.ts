import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { intAttribute } from "../../shared/onnx/model/attributes.js";
import { encodeModel, opsetVersion } from "../../shared/onnx/model/codec.js";
import { unpackCodes } from "../../shared/onnx/model/packed-codes.js";
import { DataType, dimensions, floatValues } from "../../shared/onnx/model/tensor.js";
import { dequantize, quantize } from "../../shared/quantization/arithmetic/affine.js";
import type { Granularity, Mode, Scheme } from "../../shared/quantization/device/hardware.js";
import { hardwareSchema } from "../../shared/quantization/device/hardware-schema.js";
import type { GraphBuilder } from "../fixtures/models/model-builder.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { tuningOptions } from "../quantization/small-net.js";
import { type ReadyFixture, readyFixture, runModel } from "./steps/quantizing.js";

/**
 * A device with the given widths, which leaves outputs in float, so that each rounding can be checked alone.
 */
function device(weights: Scheme, activations: Scheme) {
  const lists = ({ bits, mode, granularity }: Scheme) => ({
    bits: [bits],
    mode: [mode],
    granularity: [granularity],
  });
  return hardwareSchema.parse({
    device: "ANY WIDTH",
    schemes: { weights: lists(weights), activations: lists(activations) },
    operations: [
      {
        types: ["Conv", "ConvTranspose", "Gemm", "MatMul"],
        role: "weighted",
        kernel: "any output",
        activations: ["activations"],
        weights: ["weights"],
      },
    ],
  });
}

const [CHANNELS, FILTERS, SIZE] = [4, 6, 5];

/**
 * Products of x [N, 4, 5, 5], each with its reference computation from dequantized operands in double
 * precision.
 */
const PRODUCTS: Readonly<
  Record<
    string,
    {
      fill(graph: GraphBuilder, x: string): string;
      compute(x: Float64Array, weights: Float64Array, bias: Float32Array): Float64Array;
    }
  >
> = {
  Conv: {
    fill: (graph, x) =>
      graph.node("Conv", [x, graph.random("w", [FILTERS, CHANNELS, 3, 3]), graph.random("b", [FILTERS])], {}),
    compute: (x, w, b) => convolve(x, w, b, 1),
  },
  "depthwise Conv": {
    fill: (graph, x) =>
      graph.node("Conv", [x, graph.random("w", [CHANNELS, 1, 3, 3]), graph.random("b", [CHANNELS])], {
        group: CHANNELS,
      }),
    compute: (x, w, b) => convolve(x, w, b, CHANNELS),
  },
  Gemm: {
    fill: (graph, x) => {
      const flat = graph.node("Flatten", [x]);
      const inputs = [flat, graph.random("w", [7, CHANNELS * SIZE * SIZE]), graph.random("b", [7])];
      return graph.node("Gemm", inputs, { transB: 1 });
    },
    compute: (x, w, b) =>
      multiply(x, CHANNELS * SIZE * SIZE, 7, (term, output) => w[output * 100 + term]!, b),
  },
  MatMul: {
    fill: (graph, x) => graph.node("MatMul", [x, graph.random("w", [SIZE, 3])]),
    compute: (x, w) => multiply(x, SIZE, 3, (term, output) => w[term * 3 + output]!, new Float32Array(3)),
  },
};

function convolve(x: Float64Array, w: Float64Array, b: Float32Array, groups: number): Float64Array {
  const filters = b.length;
  const perGroup = CHANNELS / groups;
  const out = SIZE - 2;
  const batch = x.length / (CHANNELS * SIZE * SIZE);
  const y = new Float64Array(batch * filters * out * out);
  for (let i = 0; i < y.length; i++) {
    const [column, row] = [i % out, Math.floor(i / out) % out];
    const filter = Math.floor(i / out ** 2) % filters;
    const sample = Math.floor(i / (out ** 2 * filters));
    const first = Math.floor((filter * groups) / filters) * perGroup;
    let sum = b[filter]!;
    for (let c = 0; c < perGroup; c++) {
      for (let tap = 0; tap < 9; tap++) {
        const at =
          ((sample * CHANNELS + first + c) * SIZE + row + Math.floor(tap / 3)) * SIZE + column + (tap % 3);
        sum += x[at]! * w[(filter * perGroup + c) * 9 + tap]!;
      }
    }
    y[i] = sum;
  }
  return y;
}

function multiply(
  x: Float64Array,
  terms: number,
  outputs: number,
  weight: (term: number, output: number) => number,
  bias: Float32Array,
): Float64Array {
  return Float64Array.from({ length: (x.length / terms) * outputs }, (_, i) => {
    const [row, output] = [Math.floor(i / outputs), i % outputs];
    let sum = bias[output]!;
    for (let term = 0; term < terms; term++) sum += x[row * terms + term]! * weight(term, output);
    return sum;
  });
}

/** The dequantized weights w of a model. */
function dequantizedWeights(model: ReturnType<ReadyFixture["quantizer"]["quantize"]>["model"]): {
  values: Float64Array;
  scales: Float32Array;
  type: DataType;
  codes: readonly number[];
} {
  const find = (name: string) => model.graph.initializer.find((tensor) => tensor.name === name)!;
  const node = model.graph.node.find(({ output }) => output[0] === "w_dq")!;
  const [codes, scale, zero] = node.input.map(find);
  const dims = dimensions(codes!);
  const length = dims.reduce((product, dim) => product * dim, 1);
  const scales = floatValues(scale!);
  const read = (tensor: typeof codes, count: number): ArrayLike<number> => {
    const raw = tensor!.rawData.slice();
    switch (tensor!.dataType) {
      case DataType.INT4:
        return unpackCodes(raw, count, true);
      case DataType.INT8:
        return new Int8Array(raw.buffer);
      default:
        assert.equal(tensor!.dataType, DataType.INT16);
        return new Int16Array(raw.buffer);
    }
  };
  const axis = intAttribute(node, "axis", 1);
  const inner =
    scales.length === 1 ? length : dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const all = Array.from(read(codes, length));
  const zeroPoints = zero === undefined ? new Int8Array(scales.length) : read(zero, scales.length);
  const values = Float64Array.from(all, (code, i) => {
    const channel = Math.floor(i / inner) % scales.length;
    return dequantize(code, { scale: scales[channel]!, zeroPoint: zeroPoints[channel]! });
  });
  return { values, scales, type: codes!.dataType, codes: all };
}

const STORED = { 2: DataType.INT4, 4: DataType.INT4, 8: DataType.INT8, 16: DataType.INT16 } as const;

/** Tolerance for float32 sums of up to a hundred products, and for 16-bit codes next to a tie. */
const TOLERANCE = 2e-4;

/**
 * Checks a quantized product against its reference.
 * @param levels number of levels of the inputs, when it is not that of their width
 */
async function assertProduct(
  name: keyof typeof PRODUCTS,
  { bits, mode, granularity }: Scheme,
  inputBits: 4 | 8 | 16,
  levels = 2 ** inputBits,
): Promise<void> {
  const { fill, compute } = PRODUCTS[name]!;
  const fixture = {
    name,
    build: () =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", CHANNELS, SIZE, SIZE]);
        graph.node("Identity", [fill(graph, x)], {}, { outputs: ["y"] });
        graph.output("y");
      }),
  };
  const targetDevice = device(
    { bits, mode, granularity },
    { bits: inputBits, mode: "asymmetric", granularity: "pertensor" },
  );
  const pinned =
    levels === 2 ** inputBits
      ? {}
      : { options: tuningOptions({ activations: { levels: { low: 0, high: levels - 1 } } }) };
  const { quantizer, subject, batch, float } = await readyFixture(fixture, { targetDevice, ...pinned });
  const { model } = quantizer.quantize(subject.space.base);
  assert.equal(
    opsetVersion(model),
    bits !== 8 || inputBits !== 8 ? 21 : opsetVersion(subject.prepared.model),
  );
  const weights = dequantizedWeights(model);
  assert.equal(weights.type, STORED[bits]);
  const half = 2 ** (bits - 1);
  const lowest = mode === "symmetric" ? 1 - half : -half;
  assert.ok(weights.codes.every((code) => code >= lowest && code < half));
  const [, scaleName, zeroName] = model.graph.node.find(({ opType }) => opType === "QuantizeLinear")!.input;
  const find = (name: string | undefined) => model.graph.initializer.find((tensor) => tensor.name === name)!;
  const scale = floatValues(find(scaleName))[0]!;
  const zero = find(zeroName);
  assert.equal(zero.dataType, inputBits === 16 ? DataType.UINT16 : DataType.UINT8);
  const raw = zero.rawData;
  const affine = { scale, zeroPoint: raw[0]! + (raw[1] ?? 0) * 256 };
  const top = levels - 1;
  const { data } = batch.x as { data: Float32Array };
  const x = Float64Array.from(data, (value) => dequantize(quantize(2 * value, affine, 0, top), affine));
  const bias = float.graph.initializer.find((tensor) => tensor.name === "b");
  const expected = compute(x, weights.values, bias === undefined ? new Float32Array(0) : floatValues(bias));
  // Inputs beyond the calibrated range too: 4-bit codes end at 15 although they are stored in 8 bits.
  const beyond = { x: { ...batch.x!, data: data.map((value) => 2 * value) } };
  // When ONNX Runtime could run the product on integers, the bias has the product of both scales as its
  // scale.
  const step = bits === 8 && inputBits <= 8 ? scale * Math.max(...weights.scales) : 0;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const level of ["disabled", "all"] as const) {
    const found = (await runModel(model, level, beyond, subject.hardware)).get("y")!;
    assert.equal(found.length, expected.length);
    found.forEach((value, i) => {
      assert.ok(
        Math.abs(value - expected[i]!) <= TOLERANCE * largest + step / 2,
        `${level}: ${value} for ${expected[i]}`,
      );
    });
  }
}

describe("A product of codes of any width equals the reference on dequantized values", () => {
  for (const name of Object.keys(PRODUCTS)) {
    for (const [bits, mode, granularity] of [
      [2, "symmetric", "perchannel"],
      [4, "symmetric", "perchannel"],
      [4, "asymmetric", "perchannel"],
      [4, "symmetric", "pertensor"],
      [8, "asymmetric", "pertensor"],
      [16, "symmetric", "pertensor"],
      [16, "asymmetric", "perchannel"],
    ] as const satisfies readonly (readonly [Scheme["bits"], Mode, Granularity])[]) {
      for (const inputBits of [4, 8, 16] as const) {
        test(`${name}: ${bits} bits ${mode} ${granularity}, inputs of ${inputBits} bits`, () =>
          assertProduct(name, { bits, mode, granularity }, inputBits));
      }
    }
  }

  for (const [inputBits, levels] of [
    [8, 200],
    [16, 1000],
  ] as const) {
    test(`inputs of ${inputBits} bits have ${levels} levels where these are pinned`, () =>
      assertProduct("Conv", { bits: 4, mode: "symmetric", granularity: "perchannel" }, inputBits, levels));
  }

  test("quantizing again gives the same bytes", async () => {
    const fixture = {
      name: "twice",
      build: () =>
        buildModel((graph) => graph.output(graph.conv(graph.input("x", ["N", 4, 6, 6]), [3, 4, 3, 3]))),
    };
    const options = { weights: { bits: 4 as const } };
    const make = async () => {
      const { quantizer, subject } = await readyFixture(fixture, {
        options: { ...(await readyFixture(fixture)).subject.settings.options, ...options },
      });
      return encodeModel(quantizer.quantize(subject.space.base).model);
    };
    assert.deepEqual(await make(), await make());
  });
});
