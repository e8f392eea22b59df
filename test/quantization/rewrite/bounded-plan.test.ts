import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { unboundedGroup, unboundedOps } from "../../../shared/quantization/rewrite/bounded-plan.js";
import {
  type ReadyFixture,
  readyFixture,
  runModel,
  widestConfiguration,
  worstSqnr,
} from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";

/** Two dense layers; `between` adds nodes from the first layer's output to the second layer's input. */
function twoLayers(between: (graph: GraphBuilder, hidden: string) => string): Promise<ReadyFixture> {
  return readyFixture({
    name: "two layers",
    build: () =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", 8]);
        const node = (name: string, opType: string, inputs: readonly string[]): string =>
          graph.node(opType, inputs, {}, { name, outputs: [name] });
        const first = node("first", "MatMul", [x, graph.random("w1", [8, 8], 0.35)]);
        const second = node("second", "MatMul", [between(graph, first), graph.random("w2", [8, 4], 0.35)]);
        graph.output(node("y", "Identity", [second]));
      }),
  });
}

/** Replaces the first column of the hidden values by `value`. */
const withColumn =
  (value: number) =>
  (graph: GraphBuilder, hidden: string): string => {
    const first = graph.initializer(
      makeTensor("first column", DataType.BOOL, [8], Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)),
    );
    // No constant may be NaN.
    const filled = Number.isNaN(value)
      ? graph.node("Sqrt", [graph.node("Sub", [hidden, graph.floats("much", [], [1e6])])])
      : graph.floats("value", [], [value]);
    return graph.node("Where", [first, filled, hidden], {}, { name: "column", outputs: ["column"] });
  };

describe("A tensor without a finite range", () => {
  for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
    test(`with ${value} leaves its own group in float, and no other`, async () => {
      const { subject, quantizer } = await twoLayers(withColumn(value));
      const { plan, unbounded } = quantizer.quantize(subject.space.base);
      assert.deepEqual([...plan.ops], ["first"]);
      const reason = `tensor "column" has the value ${value} on the calibration samples, which no scale can hold`;
      assert.deepEqual(unbounded, { second: reason });
      assert.deepEqual(unboundedOps(subject.layout, unbounded), [{ name: "second", type: "MatMul", reason }]);
    });
  }

  test("with both infinities is reported as infinite, though its aggregate is NaN", async () => {
    const { subject, quantizer } = await twoLayers((graph, hidden) =>
      graph.node("Div", [hidden, graph.floats("zero", [], [0])], {}, { name: "column", outputs: ["column"] }),
    );
    const { unbounded } = quantizer.quantize(subject.space.base);
    assert.match(unbounded.second ?? "", /has the value -?Infinity/);
  });

  test("is not reported where the configuration leaves its group in float anyway", async () => {
    const { subject, quantizer } = await twoLayers(withColumn(Number.POSITIVE_INFINITY));
    const { unbounded } = quantizer.quantize({ ...subject.space.base, "second/quantize": false });
    assert.deepEqual(unbounded, {});
  });

  for (const level of ["disabled", "all"] as const) {
    test(`leaves the model's other outputs unchanged, at optimization level ${level}`, async () => {
      const { subject, quantizer, float, batch } = await twoLayers((graph, hidden) => {
        graph.output(graph.node("Identity", [hidden], {}, { outputs: ["seen"] }));
        return withColumn(Number.POSITIVE_INFINITY)(graph, hidden);
      });
      const { model } = quantizer.quantize(widestConfiguration(subject));
      const [expected, found] = [await runModel(float, level, batch), await runModel(model, level, batch)];
      const seen = (outputs: typeof expected) => new Map([["seen", outputs.get("seen")!]]);
      assert.ok(worstSqnr(seen(expected), seen(found)) > 25);
      assert.deepEqual(
        Array.from(found.get("y")!, Number.isFinite),
        Array.from(expected.get("y")!, Number.isFinite),
      );
    });
  }
});

test("a mask with an infinite value that became a bias leaves its product in float", async () => {
  const { subject } = await readyFixture({
    name: "masked logits",
    build: () =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", 8]);
        const hidden = graph.node("MatMul", [x, graph.random("w", [8, 8])], {}, { name: "kept" });
        const logits = graph.node("MatMul", [graph.node("Relu", [hidden]), graph.random("v", [8, 2])]);
        const mask = graph.floats("mask", [2], [0, Number.NEGATIVE_INFINITY]);
        graph.output(graph.node("Add", [logits, mask], {}, { name: "masked" }));
      }),
  });
  const { unquantizable, ops } = subject.layout;
  assert.deepEqual(
    unquantizable.map(({ reason }) => reason),
    ["its bias holds -Infinity, which no scale can hold"],
  );
  assert.equal(ops.size, 1);
});

describe("A mask beside activations", () => {
  /** A mask of the first column, which is computed as exporters write it. */
  const added =
    (value: number) =>
    (graph: GraphBuilder, hidden: string): string => {
      const kept = graph.floats("kept", [8], [0, 1, 1, 1, 1, 1, 1, 1]);
      // Of the batch's size, so that it is no constant.
      const zeros = graph.node("Mul", [hidden, graph.floats("zero", [], [0])]);
      const seen = graph.node("Add", [zeros, kept]);
      const inverted = graph.node("Sub", [graph.floats("one", [], [1]), seen]);
      const mask = graph.node("Mul", [inverted, graph.floats("mask", [], [value])]);
      return graph.node("Add", [hidden, mask], {}, { name: "column", outputs: ["column"] });
    };

  for (const value of [-1e4, -65504, -1e9, Math.fround(-3.4028234663852886e38)]) {
    for (const [how, between] of [
      ["put in by Where", withColumn(value)],
      ["added", added(value)],
    ] as const) {
      test(`that a product reads keeps its group in float, so that the others lose nothing: ${value}, ${how}`, async () => {
        const { subject, quantizer, float, batch } = await twoLayers((graph, hidden) => {
          const column = between(graph, hidden);
          // The product of the mask itself is worth nothing, and is not looked at.
          const unmasked = graph.node("Slice", [
            column,
            graph.ints("from", [1]),
            graph.ints("to", [8]),
            graph.ints("axis", [1]),
          ]);
          graph.output(
            graph.node(
              "MatMul",
              [unmasked, graph.random("w3", [7, 4], 0.35)],
              {},
              { name: "third", outputs: ["rest"] },
            ),
          );
          return column;
        });
        const { model, plan, unbounded } = quantizer.quantize(widestConfiguration(subject));
        assert.deepEqual([...plan.ops], ["first"]);
        assert.match(
          unbounded[Object.keys(unbounded)[0]!]!,
          /^tensor "column" holds the mask -\S+ on the calibration samples, beside which its other values have no codes$/,
        );
        const [expected, found] = [await runModel(float, "all", batch), await runModel(model, "all", batch)];
        const rest = (outputs: typeof expected) => new Map([["rest", outputs.get("rest")!]]);
        assert.ok(worstSqnr(rest(expected), rest(found)) > 25);
      });
    }
  }

  test("that only Softmax reads keeps nothing in float", async () => {
    const { subject, quantizer } = await twoLayers((graph, hidden) =>
      graph.node("Softmax", [added(-1e9)(graph, hidden)], { axis: -1 }),
    );
    const { plan, unbounded } = quantizer.quantize(subject.space.base);
    assert.deepEqual([...plan.ops], ["first", "y"]);
    assert.deepEqual(unbounded, {});
  });

  test("is none where the calibration samples do not come near it, or it is a scale", async () => {
    for (const between of [
      (graph: GraphBuilder, hidden: string) =>
        graph.node("Max", [hidden, graph.floats("lowest", [], [-1e9])]),
      (graph: GraphBuilder, hidden: string) => graph.node("Mul", [hidden, graph.floats("scale", [], [1e5])]),
    ]) {
      const { subject, quantizer } = await twoLayers(between);
      const { plan, unbounded } = quantizer.quantize(subject.space.base);
      assert.deepEqual([...plan.ops], ["first", "y"]);
      assert.deepEqual(unbounded, {});
    }
  });
});

test("Weights that are too small for a scale keep their op in float, and so does an input", async () => {
  const { subject, quantizer } = await readyFixture({
    name: "small weights",
    build: () =>
      buildModel((graph) => {
        const x = graph.input("x", ["N", 8]);
        const node = (name: string, opType: string, inputs: readonly string[]): string =>
          graph.node(opType, inputs, {}, { name, outputs: [name] });
        const first = node("first", "MatMul", [x, graph.random("w1", [8, 8], 1e-24)]);
        const second = node("second", "MatMul", [first, graph.random("w2", [8, 8], 0.35)]);
        const larger = node("larger", "Mul", [second, graph.floats("k", [], [1e24])]);
        graph.output(node("third", "MatMul", [larger, graph.random("w3", [8, 4], 0.35)]));
      }),
  });
  const { plan, unbounded } = quantizer.quantize(subject.space.base);
  assert.deepEqual([...plan.ops], ["third"]);
  assert.match(unbounded.second ?? "", /^no value of tensor "first" is larger than/);
  const [first] = subject.layout.unquantizable;
  assert.equal(first?.name, "first");
  assert.match(
    first?.reason ?? "",
    /^none of its weights is larger than [0-9.]+e-2\d, which is too small for a scale$/,
  );
});

test("A group may be called like what every object inherits", () => {
  assert.equal(unboundedGroup({ stem: "it is not finite" }, "constructor"), undefined);
  assert.equal(unboundedGroup({ constructor: "it is not finite" }, "constructor"), "it is not finite");
});
