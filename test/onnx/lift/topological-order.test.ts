import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ModelError } from "../../../shared/basics/errors.js";
import { sortNodes } from "../../../shared/onnx/lift/topological-order.js";
import type { Model } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";

const namesOf = ({ graph }: Model): string[] => graph.node.map(({ name }) => name);

/** A model of nodes that are named after their outputs. */
function ofNodes(...nodes: readonly (readonly [name: string, ...inputs: string[]])[]): Model {
  return buildModel((graph) => {
    graph.input("x", ["N"]);
    for (const [name, ...inputs] of nodes) graph.node("Sum", inputs, {}, { name, outputs: [name] });
  });
}

describe("sorting nodes", () => {
  test("puts each node after the producers of its inputs", () => {
    const model = ofNodes(["c", "b", "a"], ["b", "a"], ["a", "x"], ["d", "x"]);
    sortNodes(model.graph, "m.onnx");
    assert.deepEqual(namesOf(model), ["a", "b", "c", "d"]);
  });

  test("keeps an order that is already topological", () => {
    const nodes = [
      ["d", "x"],
      ["a", "x"],
      ["b", "a"],
      ["e", "d"],
      ["c", "b", "a"],
    ] as const;
    const model = ofNodes(...nodes);
    sortNodes(model.graph, "m.onnx");
    assert.deepEqual(
      namesOf(model),
      nodes.map(([name]) => name),
    );
  });

  test("counts tensors captured by bodies as inputs, and sorts the bodies", () => {
    const body = new GraphBuilder("body");
    body.node("Neg", ["inner"], {}, { name: "out", outputs: ["out"] });
    body.node("Add", ["late", "x"], {}, { name: "inner", outputs: ["inner"] });
    body.output("out", DataType.FLOAT, ["N"]);
    const model = buildModel((graph) => {
      graph.input("x", ["N"]);
      graph.input("c", [], DataType.BOOL);
      const branches = { then_branch: { graph: body.graph }, else_branch: { graph: body.graph } };
      graph.output(graph.node("If", ["c"], branches, { name: "if" }));
      graph.node("Exp", ["x"], {}, { name: "late", outputs: ["late"] });
    });
    sortNodes(model.graph, "m.onnx");
    assert.deepEqual(namesOf(model), ["late", "if"]);
    assert.deepEqual(
      body.graph.node.map(({ name }) => name),
      ["inner", "out"],
    );
  });

  test("sorts chains longer than the call stack", () => {
    const chain = Array.from({ length: 20_000 }, (_, i) => [`n${i}`, i === 0 ? "x" : `n${i - 1}`] as const);
    const model = ofNodes(...chain.toReversed());
    sortNodes(model.graph, "m.onnx");
    assert.deepEqual(
      namesOf(model),
      chain.map(([name]) => name),
    );
  });

  test("refuses a cycle", () => {
    const model = ofNodes(["a", "x", "c"], ["b", "a"], ["c", "b"]);
    assert.throws(
      () => sortNodes(model.graph, "m.onnx"),
      new ModelError(
        'm.onnx has nodes in a cycle: Sum "b" reads "a", which is made of its own output; export the model again.',
      ),
    );
  });
});
