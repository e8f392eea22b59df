import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ModelError } from "../../../shared/basics/errors.js";
import {
  attributeEquals,
  exactIntAttribute,
  exactIntsAttribute,
  floatAttribute,
  intAttribute,
  intsAttribute,
  makeIntAttribute,
  makeIntsAttribute,
  nestedGraphs,
  stringAttribute,
} from "../../../shared/onnx/model/attributes.js";
import { GraphBuilder } from "../../fixtures/models/model-builder.js";

function node() {
  const graph = new GraphBuilder();
  const body = new GraphBuilder("body").graph;
  graph.node("Any", [], {
    axis: -1,
    alpha: { float: 0.1 },
    mode: "reflect",
    pads: [1, 2],
    scales: { floats: [0.1, 2] },
    body: { graph: body },
  });
  return { any: graph.graph.node[0]!, body };
}

describe("attributes", () => {
  test("are read by name, with a default for missing ones", () => {
    const { any } = node();
    assert.equal(intAttribute(any, "axis", 1), -1);
    assert.equal(intAttribute(any, "group", 1), 1);
    assert.equal(floatAttribute(any, "alpha", 1), Math.fround(0.1));
    assert.equal(floatAttribute(any, "beta", 1), 1);
    assert.deepEqual(intsAttribute(any, "pads"), [1, 2]);
    assert.equal(intsAttribute(any, "strides"), undefined);
    assert.equal(stringAttribute(any, "mode", "constant"), "reflect");
    assert.equal(stringAttribute(any, "auto_pad", "NOTSET"), "NOTSET");
  });

  test("are compared in their own type", () => {
    const { any } = node();
    assert.ok(attributeEquals(any, "axis", -1));
    assert.ok(!attributeEquals(any, "axis", 1));
    assert.ok(attributeEquals(any, "alpha", 0.1));
    assert.ok(!attributeEquals(any, "alpha", 0.2));
    assert.ok(attributeEquals(any, "mode", "reflect"));
    assert.ok(!attributeEquals(any, "mode", "edge"));
    assert.ok(attributeEquals(any, "pads", [1, 2]));
    assert.ok(!attributeEquals(any, "pads", [1, 2, 3]));
    assert.ok(!attributeEquals(any, "pads", 12));
    assert.ok(attributeEquals(any, "scales", [0.1, 2]));
    assert.ok(!attributeEquals(any, "body", "body"));
    assert.ok(!attributeEquals(any, "missing", 0));
  });

  test("true and false compare as 1 and 0", () => {
    const graph = new GraphBuilder();
    graph.node("Gemm", [], { transB: 1, transA: 0 });
    const [gemm] = graph.graph.node;
    assert.ok(attributeEquals(gemm!, "transB", true));
    assert.ok(attributeEquals(gemm!, "transA", false));
    assert.ok(!attributeEquals(gemm!, "transA", true));
  });

  test("read back as they were made", () => {
    const graph = new GraphBuilder();
    graph.node("Any", []);
    const [any] = graph.graph.node;
    any!.attribute = [makeIntAttribute("axis", 2), makeIntsAttribute("axes", [-1, 3])];
    assert.equal(intAttribute(any!, "axis", 0), 2);
    assert.deepEqual(intsAttribute(any!, "axes"), [-1, 3]);
  });

  test("keep all 64 bits where read exactly, and are refused where a number cannot hold them", () => {
    const graph = new GraphBuilder();
    const end = 2n ** 63n - 1n;
    graph.node("Slice", [], { ends: [end, 5] }, { name: "cut" });
    const [slice] = graph.graph.node;
    assert.deepEqual(exactIntsAttribute(slice!, "ends"), [end, 5n]);
    slice!.attribute.push(makeIntAttribute("k", end));
    assert.equal(exactIntAttribute(slice!, "k", 1n), end);
    const refusal = (name: string) =>
      new ModelError(
        `Attribute "${name}" of Slice "cut" is ${end}, which is no size or axis; export the model again.`,
      );
    assert.throws(() => intsAttribute(slice!, "ends"), refusal("ends"));
    assert.throws(() => intAttribute(slice!, "k", 1), refusal("k"));
  });

  test("nested graphs are found", () => {
    const { any, body } = node();
    assert.deepEqual(nestedGraphs(any), [body]);
  });
});
