import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ValueInfoProto } from "onnx-buf";
import { forgetUnknownDimensions, isUnknownDimension } from "../../../shared/onnx/lift/unknown-dimensions.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder, valueInfo } from "../../fixtures/models/model-builder.js";

function dimensionsOf({ type }: ValueInfoProto): (string | bigint | undefined)[] {
  assert.ok(type?.value.case === "tensorType");
  return type.value.value.shape!.dim.map(({ value }) => value.value);
}

describe("dimensions of unknown size", () => {
  test("are recognized by the names that exporters give them", () => {
    for (const name of [
      "",
      "?",
      "-1",
      "None",
      "none",
      "unk__123",
      "unk_7",
      "unknown",
      "?_2",
      "dynamic",
      "Null",
      "*",
    ]) {
      assert.ok(isUnknownDimension(name), name);
    }
    for (const name of [
      "N",
      "batch",
      "height",
      "sequence_length",
      "unknown_speakers",
      "dynamic_axes_0",
      "1",
    ]) {
      assert.ok(!isUnknownDimension(name), name);
    }
  });

  test("lose their names in the graph and in nested bodies; other dimensions keep theirs", () => {
    const body = new GraphBuilder("body");
    body.output("b", DataType.FLOAT, ["unk__1", "T"]);
    const { graph } = buildModel((builder) => {
      builder.input("x", ["N", "?", 3, -1]);
      builder.node("If", ["c"], { then_branch: { graph: body.graph } });
      builder.output("y", DataType.FLOAT, ["N", "None"]);
      builder.graph.valueInfo.push(valueInfo("t", DataType.FLOAT, ["?", 0]));
    });
    forgetUnknownDimensions(graph);
    assert.deepEqual(dimensionsOf(graph.input[0]!), ["N", undefined, 3n, undefined]);
    assert.deepEqual(dimensionsOf(graph.output[0]!), ["N", undefined]);
    assert.deepEqual(dimensionsOf(graph.valueInfo[0]!), [undefined, 0n]);
    assert.deepEqual(dimensionsOf(body.graph.output[0]!), [undefined, "T"]);
  });
});
