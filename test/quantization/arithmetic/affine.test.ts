import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import {
  type Affine,
  dequantize,
  narrowSignedAffine,
  quantize,
  representableRange,
  unsignedAffine,
} from "../../../shared/quantization/arithmetic/affine.js";
import { asymmetricRange, symmetricActivationRange } from "../../../shared/quantization/arithmetic/range.js";
import { buildModel } from "../../fixtures/models/model-builder.js";

fc.configureGlobal({ seed: 3, numRuns: 200 });

interface CodeType {
  readonly name: "uint8" | "int8";
  readonly type: DataType;
  readonly lowest: number;
  readonly highest: number;
}

const UINT8: CodeType = { name: "uint8", type: DataType.UINT8, lowest: 0, highest: 255 };
const INT8: CodeType = { name: "int8", type: DataType.INT8, lowest: -128, highest: 127 };

/**
 * A model of QuantizeLinear and DequantizeLinear with scale and zero point as inputs, so that one session
 * suffices.
 */
async function openPair({ type }: CodeType): Promise<InferenceSession> {
  const model = buildModel((graph) => {
    const parameters = [graph.input("scale", []), graph.input("zero", [], type)];
    const x = graph.input("x", ["n"]);
    const codes = graph.node("QuantizeLinear", [x, ...parameters], {}, { outputs: ["codes"] });
    const y = graph.node("DequantizeLinear", [codes, ...parameters], {}, { outputs: ["y"] });
    graph.output(codes, type, ["n"]);
    graph.output(y, DataType.FLOAT, ["n"]);
  });
  const session = await InferenceSession.create(encodeModel(model), { graphOptimizationLevel: "disabled" });
  after(() => session.release());
  return session;
}

/** Half-integer multiples of the scale, which are ties, and random values. */
const sample = fc.oneof(
  fc.integer({ min: -600, max: 600 }).map((halves) => ({ halves })),
  fc.float({ min: -400, max: 400, noNaN: true }).map((steps) => ({ steps })),
);

describe("Codes and values equal those of ONNX Runtime's QuantizeLinear and DequantizeLinear", async () => {
  for (const codeType of [UINT8, INT8]) {
    const { name, lowest, highest } = codeType;
    const session = await openPair(codeType);
    test(name, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(sample, { minLength: 1, maxLength: 200 }),
          fc.float({ min: Math.fround(1e-6), max: 1000, noNaN: true }),
          fc.integer({ min: lowest, max: highest }),
          async (samples, scale, zeroPoint) => {
            const x = Float32Array.from(samples, (s) =>
              "halves" in s ? (s.halves / 2) * scale : s.steps * scale,
            );
            const { codes, y } = await session.run({
              x: new Tensor("float32", x, [x.length]),
              scale: new Tensor("float32", Float32Array.of(scale), []),
              zero: new Tensor(name, [zeroPoint], []),
            });
            const affine: Affine = { scale, zeroPoint };
            const own = Array.from(x, (value) => quantize(value, affine, lowest, highest));
            assert.deepEqual(own, Array.from(codes!.data as Int8Array | Uint8Array));
            assert.deepEqual(
              Float32Array.from(own, (code) => dequantize(code, affine)),
              y!.data,
            );
          },
        ),
      );
    });
  }
});

describe("Rounding", () => {
  const ties = [0.5, 1.5, 2.5, -0.5];
  test("ties round to the even code, as in QuantizeLinear (POT's fake quantization gives 1, 1, 3, -1)", () => {
    const weights = narrowSignedAffine({ low: -127, high: 127 }, 8);
    assert.deepEqual(
      ties.map((x) => quantize(x, weights, -127, 127) + 0),
      [0, 2, 2, 0],
    );
    const activations = unsignedAffine({ low: -128, high: 127 }, 8);
    assert.deepEqual(
      ties.map((x) => dequantize(quantize(x, activations, 0, 255), activations) + 0),
      [0, 2, 2, 0],
    );
  });
});

describe("Scales and zero points", () => {
  test("a signed range has the middle code as zero point, an unsigned one the first", () => {
    assert.deepEqual(unsignedAffine(symmetricActivationRange(-1, 6.35, 8), 8), {
      scale: Math.fround(0.05),
      zeroPoint: 128,
    });
    assert.deepEqual(unsignedAffine(symmetricActivationRange(0, 6, 8), 8), {
      scale: Math.fround(6 / 255),
      zeroPoint: 0,
    });
  });

  test("4-bit symmetric weights have codes -7 to 7, 2-bit ones -1 to 1", () => {
    const four = narrowSignedAffine({ low: -0.7, high: 0.7 }, 4);
    assert.deepEqual(four, { scale: Math.fround(0.1), zeroPoint: 0 });
    assert.deepEqual(
      [-1, -0.7, 0.7, 1].map((x) => quantize(x, four, -7, 7)),
      [-7, -7, 7, 7],
    );
    assert.equal(narrowSignedAffine({ low: -0.7, high: 0.7 }, 2).scale, Math.fround(0.7));
  });

  const value = fc.float({ min: -1000, max: 1000, noNaN: true });
  test("values inside the range are off by at most half a step, values outside become the nearer end", () => {
    fc.assert(
      fc.property(value, value, fc.array(value), fc.constantFrom(2, 4, 8), (a, b, samples, bits) => {
        const affine = unsignedAffine(asymmetricRange(Math.min(a, b), Math.max(a, b), bits), bits);
        const { low, high } = representableRange(affine, bits);
        // Half a step of the quantizer plus the float32 rounding of the value.
        const halfStep = (x: number) => affine.scale / 2 + Math.abs(x) * 2 ** -22;
        for (const x of samples) {
          const y = dequantize(quantize(x, affine, 0, 2 ** bits - 1), affine);
          const nearest = Math.min(Math.max(x, low), high);
          assert.ok(Math.abs(y - nearest) <= (nearest === x ? halfStep(x) : Math.abs(nearest) * 2 ** -22));
        }
        assert.equal(dequantize(quantize(0, affine, 0, 2 ** bits - 1), affine), 0);
      }),
    );
  });
});
