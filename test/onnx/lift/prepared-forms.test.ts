import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeInitializersConstant } from "../../../shared/onnx/graph/constant-inputs.js";
import { normalizeGemms } from "../../../shared/onnx/graph/gemm.js";
import { restoreBodies } from "../../../shared/onnx/graph/nested-bodies.js";
import { restoreNodeNames } from "../../../shared/onnx/graph/node-names.js";
import { floatAttribute } from "../../../shared/onnx/model/attributes.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import { DataType, dimensions, floatValues } from "../../../shared/onnx/model/tensor.js";
import { type Attribute, buildModel, GraphBuilder, valueInfo } from "../../fixtures/models/model-builder.js";

function initializer(model: Model, name: string): { dims: number[]; values: number[] } {
  const tensor = model.graph.initializer.find((other) => other.name === name)!;
  return { dims: dimensions(tensor), values: [...floatValues(tensor)] };
}

describe("Gemm", () => {
  const gemm = (
    attributes: Readonly<Record<string, Attribute>>,
    bias: { readonly dims: readonly number[]; readonly values: readonly number[] },
    more: (graph: GraphBuilder) => void = () => {},
  ): Model =>
    buildModel((graph) => {
      const inputs = [
        graph.input("x", ["N", 2]),
        graph.floats("w", [2, 3], [1, 2, 3, 4, 5, 6]),
        graph.floats("b", bias.dims, bias.values),
      ];
      graph.output(graph.node("Gemm", inputs, attributes, { name: "gemm", outputs: ["y"] }));
      more(graph);
    });

  test("alpha is multiplied into the weights and beta into the bias", () => {
    const model = gemm({ alpha: { float: 0.5 }, beta: { float: 2 } }, { dims: [3], values: [1, 2, 3] });
    normalizeGemms(model);
    assert.deepEqual(initializer(model, "w"), { dims: [2, 3], values: [0.5, 1, 1.5, 2, 2.5, 3] });
    assert.deepEqual(initializer(model, "b"), { dims: [3], values: [2, 4, 6] });
    const [node] = model.graph.node;
    assert.equal(floatAttribute(node!, "alpha", 1), 1);
    assert.equal(floatAttribute(node!, "beta", 1), 1);
  });

  test("a bias of one value, or of one row, becomes one value per column", () => {
    for (const dims of [[], [1], [1, 1]]) {
      const model = gemm({}, { dims, values: [7] });
      normalizeGemms(model);
      assert.deepEqual(initializer(model, "b"), { dims: [3], values: [7, 7, 7] });
    }
    const row = gemm({}, { dims: [1, 3], values: [7, 8, 9] });
    normalizeGemms(row);
    assert.deepEqual(initializer(row, "b"), { dims: [3], values: [7, 8, 9] });
  });

  test("a bias per row stays in the Gemm where beta is not 1", () => {
    const model = gemm({ beta: { float: 2 } }, { dims: [3, 1], values: [7, 8, 9] });
    normalizeGemms(model);
    assert.deepEqual(initializer(model, "b"), { dims: [3, 1], values: [7, 8, 9] });
    assert.equal(floatAttribute(model.graph.node[0]!, "beta", 1), 2);
  });

  test("a constant with other readers is unchanged for them", () => {
    const model = gemm({ alpha: { float: 2 } }, { dims: [3], values: [1, 2, 3] }, (graph) => {
      graph.output(graph.node("Relu", ["w"]));
    });
    normalizeGemms(model);
    assert.deepEqual(initializer(model, "w").values, [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(initializer(model, model.graph.node[0]!.input[1]!).values, [2, 4, 6, 8, 10, 12]);
  });

  test("a constant that a nested graph captures is unchanged for it", () => {
    const model = gemm({ alpha: { float: 2 } }, { dims: [3], values: [1, 2, 3] }, (graph) => {
      const body = new GraphBuilder("body");
      body.output("w");
      graph.node("If", ["c"], { then_branch: { graph: body.graph }, else_branch: { graph: body.graph } });
    });
    normalizeGemms(model);
    assert.deepEqual(initializer(model, "w").values, [1, 2, 3, 4, 5, 6]);
    assert.notEqual(model.graph.node[0]!.input[1], "w");
  });

  test("a Gemm in the normalized form is unchanged", () => {
    const model = gemm({ transB: 0 }, { dims: [3], values: [1, 2, 3] });
    const before = structuredClone(initializer(model, "b"));
    normalizeGemms(model);
    assert.deepEqual(initializer(model, "b"), before);
    assert.deepEqual(model.graph.node[0]!.input, ["x", "w", "b"]);
  });
});

describe("initializers that are listed as inputs", () => {
  test("are removed from the inputs, and the IR version is raised to one that allows it", () => {
    const model = buildModel(
      (graph) => {
        graph.output(graph.matMul(graph.input("x", ["N", 2]), 2, 2));
        graph.graph.input.push(valueInfo("matmul1.weight", DataType.FLOAT, [2, 2]));
      },
      { irVersion: 3 },
    );
    makeInitializersConstant(model);
    assert.deepEqual(
      model.graph.input.map(({ name }) => name),
      ["x"],
    );
    assert.equal(model.irVersion, 4n);
  });
});

describe("node names after folding", () => {
  const folded = (names: readonly string[]): Model =>
    buildModel((graph) => {
      for (const [i, name] of names.entries()) graph.node("Gemm", [], {}, { name, outputs: [`t${i}`] });
    });
  const restored = (names: readonly string[], original: readonly string[]): string[] => {
    const model = folded(names);
    restoreNodeNames(model, new Set(original));
    return model.graph.node.map(({ name }) => name);
  };

  test("a MatMul that became a Gemm gets its own name back", () => {
    assert.deepEqual(restored(["fc/MatMulAddFusion", "other"], ["fc", "add", "other"]), ["fc", "other"]);
  });

  test("an original name with the fusion's suffix is kept", () => {
    assert.deepEqual(restored(["fc/MatMulAddFusion"], ["fc/MatMulAddFusion"]), ["fc/MatMulAddFusion"]);
  });

  test("a name that another node has is not given again", () => {
    assert.deepEqual(restored(["fc", "fc/MatMulAddFusion"], ["fc"]), ["fc", "fc/MatMulAddFusion"]);
  });

  test("nodes without a name get one", () => {
    assert.deepEqual(restored(["", "a", ""], ["", "a"]), ["Gemm(t0)", "a", "Gemm(t2)"]);
  });
});

describe("bodies of control flow after folding", () => {
  const model = (opType: string, reads: string): Model =>
    buildModel((graph) => {
      graph.input("x", [2]);
      const body = new GraphBuilder("body");
      body.node(opType, [reads], {}, { outputs: ["made"] });
      body.output("made");
      graph.node("If", ["c"], { then_branch: { graph: body.graph } }, { outputs: ["y"] });
    });
  const bodyOf = ({ graph }: Model): string => graph.node[0]!.attribute[0]!.g!.node[0]!.opType;

  test("are the original ones", () => {
    const folded = model("Fused", "x");
    restoreBodies(folded, model("Relu", "x"));
    assert.equal(bodyOf(folded), "Relu");
  });

  test("stay folded where an outer tensor no longer exists", () => {
    const folded = model("Fused", "x");
    restoreBodies(folded, model("Relu", "folded away"));
    assert.equal(bodyOf(folded), "Fused");
  });
});
