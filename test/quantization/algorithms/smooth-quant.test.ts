import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import { floatValues } from "../../../shared/onnx/model/tensor.js";
import {
  findSmoothableTensors,
  smoothActivations,
  smoothingFactors,
  smoothingStatistics,
} from "../../../shared/quantization/algorithms/smooth-quant.js";
import type { InputBatch } from "../../../shared/runtime/input-batch.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

fc.configureGlobal({ seed: 35 });

const WIDTH = 6;
const SHAPE = [1, 4, WIDTH];

type Normalization = (graph: GraphBuilder, x: string, gain: string, bias: string) => string;

const oneNode: Normalization = (graph, x, gain, bias) =>
  graph.node("LayerNormalization", [x, gain, bias], { axis: -1 });

const spelledOut: Normalization = (graph, x, gain, bias) => {
  const centred = graph.node("Sub", [x, graph.node("ReduceMean", [x], { axes: [-1] })]);
  const variance = graph.node("ReduceMean", [graph.node("Mul", [centred, centred])], { axes: [-1] });
  const scaled = graph.node("Div", [centred, graph.node("Sqrt", [variance])]);
  return graph.node("Add", [bias, graph.node("Mul", [scaled, gain])]);
};

/** Two products read a normalized tensor with one large channel; two more products have a Relu between them. */
function transformer(normalize: Normalization, { seenOutside = false, largest = 100 } = {}): Model {
  return buildModel((graph) => {
    const gains = Array.from({ length: WIDTH }, (_, i) => (i === 2 ? largest : 1 + 0.1 * i));
    const x = graph.input("x", SHAPE);
    const constants = [graph.floats("gain", [WIDTH], gains), graph.random("bias", [WIDTH])] as const;
    const normal = normalize(graph, x, ...constants);
    if (seenOutside) graph.output(normal);
    const query = graph.node("MatMul", [normal, graph.random("query", [WIDTH, WIDTH])]);
    const key = graph.node("MatMul", [normal, graph.random("key", [WIDTH, WIDTH])]);
    const first = graph.node("Add", [query, graph.random("first", [WIDTH])]);
    const hidden = graph.node("Relu", [first]);
    const second = graph.node("MatMul", [hidden, graph.random("second", [WIDTH, 3])]);
    graph.output(key);
    graph.output(second);
  });
}

function found(model: Model, ignored = {}) {
  const tensors = new Map(
    model.graph.node.flatMap(({ output }) =>
      output.map((name) => [name, { type: "float32", shape: SHAPE }] as const),
    ),
  );
  const index = new GraphIndex(model.graph);
  return { index, sites: findSmoothableTensors(index, tensors, ignored) };
}

const names = (model: Model, ignored = {}): string[][] =>
  found(model, ignored).sites.map(({ made, read }) => [...made, ...read].map(({ name }) => name));

function batches(seed: number): InputBatch[] {
  const random = new RandomValues(seed);
  return Array.from({ length: 3 }, () => ({
    x: {
      type: "float32",
      dims: SHAPE,
      data: Float32Array.from({ length: 4 * WIDTH }, () => random.normal()),
    },
  }));
}

async function smoothed(model: Model, samples: readonly InputBatch[], alpha: number): Promise<Model> {
  const { index, sites } = found(model);
  const statistics = await collectStatistics(model, smoothingStatistics(sites), {
    count: samples.length,
    batch: (i) => samples[i]!,
  });
  return smoothActivations(model, index, sites, statistics, alpha);
}

describe("SmoothQuant", () => {
  for (const [title, normalize] of [
    ["LayerNormalization", oneNode],
    ["a normalization spelled out", spelledOut],
  ] as const) {
    test(`finds tensors that only products read, behind ${title}, and between products`, () => {
      const constants = title === "LayerNormalization" ? ["gain", "bias"] : ["bias", "gain"];
      assert.deepEqual(names(transformer(normalize)), [
        [...constants, "query", "key"],
        ["first", "query", "second"],
      ]);
    });

    test(`computes exactly the same numbers behind ${title}`, async () => {
      const model = transformer(normalize);
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 1e6 }),
          fc.double({ min: 0.1, max: 0.9, noNaN: true }),
          async (seed, alpha) => {
            const samples = batches(seed);
            const rewritten = await smoothed(model, samples, alpha);
            for (const batch of samples) {
              assert.deepEqual(
                await runModel(rewritten, "disabled", batch),
                await runModel(model, "disabled", batch),
              );
            }
          },
        ),
        { numRuns: 5 },
      );
    });
  }

  test("moves the large channel into the weights", async () => {
    const model = transformer(oneNode, { largest: 1000 });
    const rewritten = await smoothed(model, batches(1), 0.5);
    const gains = (of: Model) => floatValues(of.graph.initializer.find(({ name }) => name === "gain")!);
    const spread = (values: Float32Array) => Math.max(...values) / Math.min(...values);
    assert.ok(spread(gains(rewritten)) < spread(gains(model)) / 5);
  });

  test("leaves alone what is seen outside, what is ignored and what others read", () => {
    assert.deepEqual(names(transformer(oneNode, { seenOutside: true })), [["first", "query", "second"]]);
    assert.deepEqual(names(transformer(oneNode), { operations: [{ type: "LayerNormalization" }] }), [
      ["first", "query", "second"],
    ]);
    const branching = buildModel((graph) => {
      const x = graph.input("x", SHAPE);
      const scaled = graph.node("Mul", [x, graph.random("gain", [WIDTH])]);
      const product = graph.node("MatMul", [scaled, graph.random("weight", [WIDTH, WIDTH])]);
      graph.output(graph.node("Add", [scaled, product]));
    });
    assert.deepEqual(names(branching), []);
  });

  test("takes factors from the paper's equation 4, rounded to powers of two", () => {
    const factors = smoothingFactors(Float64Array.of(64, 4, 0, 3), Float64Array.of(0.25, 1, 1, 0), 0.5);
    assert.deepEqual([...factors], [16, 2, 1, 1]);
  });
});
