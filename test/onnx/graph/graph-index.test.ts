import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { GraphBuilder, valueInfo } from "../../fixtures/models/model-builder.js";

/**
 * a -> Relu -> b -> {Add with w, If}; the branches capture a, b and v, one of them from two levels of
 * nesting.
 */
function nested() {
  const graph = new GraphBuilder();
  const a = graph.input("a", [2]);
  const w = graph.random("w", [2]);
  graph.random("v", [2]);
  graph.graph.input.push(valueInfo("w", DataType.FLOAT, [2]));
  graph.node("Relu", [a], {}, { name: "relu", outputs: ["b"] });
  const inner = new GraphBuilder("inner");
  inner.node("Add", ["a", "then.local"], {}, { outputs: ["inner.sum"] });
  inner.output("inner.sum");
  const yes = new GraphBuilder("yes");
  yes.random("own", [2]);
  yes.node("Add", ["own", "b"], {}, { outputs: ["then.local"] });
  yes.node("If", ["condition"], { then_branch: { graph: inner.graph } }, { outputs: ["then.result"] });
  yes.output("then.result");
  const no = new GraphBuilder("no");
  no.output("v");
  graph.node("Add", ["b", w, ""], {}, { name: "sum", outputs: ["c"] });
  graph.node(
    "If",
    ["condition"],
    { then_branch: { graph: yes.graph }, else_branch: { graph: no.graph } },
    {
      outputs: ["d"],
    },
  );
  graph.output("c");
  return graph.graph;
}

describe("graph index", () => {
  const index = new GraphIndex(nested());

  test("finds a tensor's producer, and its consumers with the input index", () => {
    assert.equal(index.producer("b")?.name, "relu");
    assert.equal(index.producer("a"), undefined);
    assert.deepEqual(
      index.consumers("b").map(({ node, input }) => [node.name, input]),
      [["sum", 0]],
    );
    assert.deepEqual(
      index.consumers("w").map(({ node, input }) => [node.name, input]),
      [["sum", 1]],
    );
    assert.deepEqual(index.consumers("nobody's"), []);
  });

  test("an omitted input has no consumer", () => {
    assert.deepEqual(index.consumers(""), []);
  });

  test("initializers listed among the inputs are not inputs", () => {
    assert.deepEqual(index.inputs, ["a"]);
  });

  test("outer tensors read in nested graphs are captured, also from two levels of nesting", () => {
    assert.deepEqual([...index.captured].sort(), ["a", "b", "condition", "v"]);
  });

  test("outputs and captured tensors are visible outside the top level", () => {
    assert.ok(index.isVisibleOutside("c"));
    assert.ok(index.isVisibleOutside("b"));
    assert.ok(!index.isVisibleOutside("d"));
  });

  test("names holds those of tensors and nodes at every level", () => {
    for (const name of ["a", "w", "b", "relu", "own", "then.local", "inner.sum"])
      assert.ok(index.names.has(name));
  });
});
