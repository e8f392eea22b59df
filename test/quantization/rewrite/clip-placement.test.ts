import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activationPair } from "../../../shared/onnx/graph/qdq-nodes.js";
import { QuantizationParameters } from "../../../shared/onnx/graph/quantization-parameters.js";
import { NewNames } from "../../../shared/onnx/model/new-names.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { clipAsMinMax, clipCodes } from "../../../shared/quantization/rewrite/clip-placement.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

const AFFINE = { scale: Math.fround(0.013), zeroPoint: 97 };
const CODES = {
  dataType: DataType.UINT8,
  scales: Float32Array.of(AFFINE.scale),
  zeroPoints: [AFFINE.zeroPoint],
  axis: undefined,
} as const;
const BOUNDS = [
  { low: 0, high: Number.POSITIVE_INFINITY },
  { low: 0, high: 1 },
  { low: -0.3, high: 0.7 },
  { low: Number.NEGATIVE_INFINITY, high: 0.5 },
  { low: -100, high: 100 },
] as const;
const random = new RandomValues(4);
const data = Float32Array.from({ length: 2000 }, () => random.normal());
const batch = { x: { type: "float32", dims: [2000], data } } as const;

function parameters(): QuantizationParameters {
  return new QuantizationParameters(new NewNames(new Set()));
}

function relu() {
  const graph = new GraphBuilder();
  graph.node("Relu", ["before"], {}, { name: "relu", outputs: ["y"] });
  return graph.graph.node[0]!;
}

/** x, clipped in float, quantized and dequantized. */
async function inFloat({ low, high }: (typeof BOUNDS)[number]): Promise<Float64Array> {
  const model = buildModel((graph) => {
    const inputs = [
      graph.input("x", [2000]),
      graph.floats("low", [], [low]),
      graph.floats("high", [], [high]),
    ];
    const pair = activationPair("p", CODES, parameters(), graph.node("Clip", inputs), "y");
    graph.graph.node.push(...pair.nodes);
    graph.graph.initializer.push(...pair.initializers);
    graph.output("y");
  });
  return (await runModel(model, "disabled", batch)).get("y")!;
}

describe("Rewritten Relu and Clip", () => {
  for (const bounds of BOUNDS) {
    test(`codes clipped to [${bounds.low}, ${bounds.high}] equal the codes of clipped values`, async () => {
      const model = buildModel((graph) => {
        const pair = activationPair("p", CODES, parameters(), graph.input("x", [2000]), "y");
        const clipped = clipCodes(pair, relu(), bounds, AFFINE, new NewNames(new Set()));
        graph.graph.node.push(...clipped.nodes);
        graph.graph.initializer.push(...clipped.initializers);
        graph.output("y");
      });
      for (const level of ["disabled", "all"] as const) {
        assert.deepEqual((await runModel(model, level, batch)).get("y"), await inFloat(bounds));
      }
    });

    test(`Max and Min limit to [${bounds.low}, ${bounds.high}] as a Clip does`, async () => {
      const { low, high } = bounds;
      const model = buildModel((graph) => {
        const spelled = clipAsMinMax(relu(), graph.input("x", [2000]), bounds, new NewNames(new Set()));
        assert.equal(spelled.nodes.at(-1)!.name, "relu");
        for (const { opType } of spelled.nodes) assert.match(opType, /^(Max|Min)$/);
        graph.graph.node.push(...spelled.nodes);
        graph.graph.initializer.push(...spelled.initializers);
        graph.output("y");
      });
      const found = (await runModel(model, "all", batch)).get("y")!;
      const cut = Float64Array.from(data, (value) =>
        Math.min(Math.fround(high), Math.max(Math.fround(low), value)),
      );
      assert.deepEqual(found, cut);
    });
  }

  test("a Clip without bounds becomes an Identity", () => {
    const bounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
    const { nodes, initializers } = clipAsMinMax(relu(), "x", bounds, new NewNames(new Set()));
    assert.deepEqual(
      nodes.map(({ opType, input, output }) => [opType, input, output]),
      [["Identity", ["x"], ["y"]]],
    );
    assert.deepEqual(initializers, []);
  });
});
