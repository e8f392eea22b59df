import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findIntegerKernelsOf } from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { measureExactness } from "../../../shared/evaluation/quantizer/kernel-exactness.js";
import { elementCount } from "../../../shared/onnx/model/tensor.js";
import { codePairs, type InputLayout } from "../../../shared/quantization/arithmetic/paired-codes.js";
import { processorClass } from "../../../shared/runtime/processor-probe.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import { runModel, worstSqnr } from "../../end-to-end/steps/quantizing.js";
import { type QuantizedProduct, quantizedProduct } from "../../fixtures/models/quantized-product.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

type Shape = Omit<QuantizedProduct, "codes"> & { readonly title: string; readonly layout: InputLayout };

/** Every kernel that accumulates products of codes, with even and odd numbers of inputs. */
const PRODUCTS: readonly Shape[] = [
  { title: "Conv 3x3", op: "Conv", weightDims: [8, 6, 3, 3], inputDims: [1, 6, 7, 7], layout: "filters" },
  {
    title: "Conv 3x3 of odd channels",
    op: "Conv",
    weightDims: [5, 3, 3, 3],
    inputDims: [1, 3, 9, 9],
    layout: "filters",
  },
  {
    title: "Conv of one channel",
    op: "Conv",
    weightDims: [4, 1, 3, 3],
    inputDims: [1, 1, 8, 8],
    layout: "filters",
  },
  { title: "Conv 1x1", op: "Conv", weightDims: [16, 33, 1, 1], inputDims: [1, 33, 5, 5], layout: "filters" },
  { title: "Conv of rank 1", op: "Conv", weightDims: [6, 4, 5], inputDims: [1, 4, 20], layout: "filters" },
  {
    title: "grouped Conv",
    op: "Conv",
    weightDims: [8, 4, 3, 3],
    inputDims: [1, 8, 6, 6],
    group: 2,
    layout: "filters",
  },
  {
    title: "depthwise Conv with two outputs a channel",
    op: "Conv",
    weightDims: [12, 1, 3, 3],
    inputDims: [1, 6, 6, 6],
    group: 6,
    layout: "filters",
  },
  { title: "MatMul of many rows", op: "MatMul", weightDims: [300, 40], inputDims: [20, 300], layout: "rows" },
  { title: "MatMul of one row", op: "MatMul", weightDims: [65, 48], inputDims: [1, 65], layout: "rows" },
  { title: "Gemm", op: "Gemm", weightDims: [31, 10], inputDims: [4, 31], layout: "rows" },
  {
    title: "transposed Gemm",
    op: "Gemm",
    weightDims: [10, 64],
    inputDims: [1, 64],
    transposed: true,
    layout: "columns",
  },
];

const DEPTHWISE = [
  { weightDims: [8, 1, 3, 3], inputDims: [1, 8, 6, 6], group: 8 },
  { weightDims: [33, 1, 5, 5], inputDims: [1, 33, 9, 9], group: 33 },
  { weightDims: [3, 1, 3], inputDims: [1, 3, 12], group: 3 },
] as const;

/** Decibels of fused against exact arithmetic that differ by one code only where a sum lies on a tie. */
const ROUNDING = 30;

/** Decibels of the fused product against the exact one, for largest and for random activations. */
async function exactness(product: QuantizedProduct): Promise<number> {
  const model = quantizedProduct(product);
  const { integer } = await findIntegerKernelsOf(model, DEFAULT_SESSION);
  assert.equal(integer, 1, "the product runs as an integer kernel");
  const random = new RandomValues(5);
  const size = elementCount(product.inputDims);
  const decibels: number[] = [];
  for (const value of [() => 1, () => (random.below(2) === 0 ? 1 : random.below(256) / 255)]) {
    const data = Float32Array.from({ length: size }, value);
    const batch = { x: { type: "float32" as const, data, dims: [...product.inputDims] } };
    const exact = await runModel(model, "disabled", batch);
    decibels.push(worstSqnr(exact, await runModel(model, "all", batch)));
  }
  return Math.min(...decibels);
}

/** The largest codes that the form allows, most of one sign. */
function largeCodes(count: number, largest: number, seed: number): Int8Array {
  const random = new RandomValues(seed);
  return Int8Array.from({ length: count }, () => (random.below(8) === 0 ? -random.below(5) : largest));
}

const saturates = (await processorClass()) === "CPU_AVX2";

describe("Integer kernels on this processor", () => {
  for (const { title, layout, ...shape } of PRODUCTS) {
    const count = elementCount(shape.weightDims);

    test(`${title}: INT8 of 8 bits ${saturates ? "saturates" : "is exact"}`, async () => {
      const decibels = await exactness({ ...shape, codes: largeCodes(count, 127, 1) });
      assert.ok(saturates ? decibels < ROUNDING : decibels >= ROUNDING, `${decibels} dB`);
    });

    test(`${title}: INT8 of 7 bits and UINT8 of 8 are exact`, async () => {
      const narrow = await exactness({ ...shape, codes: largeCodes(count, 64, 2) });
      assert.ok(narrow >= ROUNDING, `${narrow} dB`);
      const codes = Uint8Array.from(largeCodes(count, 127, 3), (code) => code + 128);
      const unsigned = await exactness({ ...shape, codes });
      assert.ok(unsigned >= ROUNDING, `${unsigned} dB`);
    });

    test(`${title}: pairs of codes that add up to 128 are exact, in the order that the kernel has them`, async () => {
      const random = new RandomValues(4);
      const codes = new Int8Array(count);
      const pairs = codePairs(shape.weightDims, layout);
      for (let p = 0; p < pairs.length; p += 2) {
        // In another order, large codes would be paired.
        const first = random.below(2) === 0 ? 127 : 1;
        codes[pairs[p]!] = first;
        codes[pairs[p + 1]!] = 128 - first;
      }
      const decibels = await exactness({ ...shape, codes });
      assert.ok(decibels >= ROUNDING, `${decibels} dB`);
    });
  }

  test("depthwise convolutions are exact with INT8 of 8 bits", async () => {
    for (const shape of DEPTHWISE) {
      const codes = largeCodes(elementCount(shape.weightDims), 127, 6);
      const decibels = await exactness({ op: "Conv", ...shape, codes });
      assert.ok(decibels >= ROUNDING, `${decibels} dB`);
    }
  });
});

test("A session entry makes INT8 of 8 bits exact on every processor", async () => {
  const { layout: _, title: __, ...shape } = PRODUCTS[0]!;
  const codes = largeCodes(elementCount(shape.weightDims), 127, 8);
  const settings = { ...DEFAULT_SESSION, extra: { "session.x64quantprecision": "1" } };
  const data = new Float32Array(elementCount(shape.inputDims)).fill(1);
  const batch = () => ({ x: { type: "float32" as const, data, dims: [...shape.inputDims] } });
  const { decibels } = await measureExactness(
    quantizedProduct({ ...shape, codes }),
    { count: 1, batch },
    settings,
  );
  assert.ok(decibels >= ROUNDING, `${decibels} dB`);
});

describe("The exactness of a model", () => {
  const dims = [20, 300];
  const batches = {
    count: 2,
    batch: () => ({
      x: { type: "float32" as const, data: new Float32Array(elementCount(dims)).fill(1), dims },
    }),
  };
  const measure = (largest: number) => {
    const codes = largeCodes(300 * 40, largest, 7);
    const model = quantizedProduct({ op: "MatMul", weightDims: [300, 40], inputDims: dims, codes });
    return measureExactness(model, batches, DEFAULT_SESSION);
  };

  test("is limited by rounding only where nothing saturates", async () => {
    const { decibels, products, batches: compared } = await measure(64);
    assert.ok(decibels >= ROUNDING, `${decibels} dB`);
    assert.deepEqual([products, compared], [[], 2]);
  });

  test("names the product that saturates, on processors where it does", async () => {
    const { decibels, products } = await measure(127);
    assert.equal(decibels < ROUNDING, saturates, `${decibels} dB`);
    assert.deepEqual(
      products.map(({ name, type }) => `${type} ${name}`),
      saturates ? ["MatMul product"] : [],
    );
  });
});
