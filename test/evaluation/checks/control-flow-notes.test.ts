import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ModelError } from "../../../shared/basics/errors.js";
import { controlFlowNotes } from "../../../shared/evaluation/checks/control-flow-notes.js";
import { openSubject, requireQuantizable } from "../../../shared/evaluation/model/tunable-model.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";
import { quantizationSettings } from "../../quantization/small-net.js";

test("a note names an If whose branches hold ops that stay in float", async () => {
  const branch = (seed: number) => {
    const body = new GraphBuilder(`branch${seed}`, seed);
    const hidden = body.matMul("x", 4, 4, { name: `first${seed}` });
    const result = body.matMul(body.node("Relu", [hidden]), 4, 4, { name: `second${seed}` });
    body.output(result, DataType.FLOAT, ["N", 4]);
    return body.graph;
  };
  const model = buildModel((graph) => {
    const x = graph.input("x", ["N", 4]);
    const sum = graph.node("ReduceSum", [x], { keepdims: 0 });
    const positive = graph.node("Greater", [sum, graph.floats("zero", [], [0])]);
    const branches = { then_branch: { graph: branch(1) }, else_branch: { graph: branch(2) } };
    graph.output(graph.node("If", [positive], branches, { name: "choose" }), DataType.FLOAT, ["N", 4]);
  });
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-control-flow-"));
  try {
    const path = join(folder, "model.onnx");
    await writeFile(path, encodeModel(model));
    const subject = await openSubject(path, quantizationSettings());
    const reason = "its bodies hold 4 MatMul, and nothing in bodies of control flow is quantized";
    assert.deepEqual(controlFlowNotes(subject.layout), [
      { level: "note", code: "control-flow", message: `If "choose" stays in float: ${reason}.` },
    ]);
    const many = Array.from({ length: 120 }, (_, i) => ({ name: `${i}`, type: "If", reason }));
    const notes = controlFlowNotes({ unquantizable: many });
    assert.equal(notes.length, 9);
    assert.match(notes[8]!.message, /^112 more nodes of control flow stay in float/);
    assert.throws(
      () => requireQuantizable(subject, path),
      new ModelError(
        `${path} has nothing to quantize: If "choose" must stay in float, because ${reason}; change that, or use the model as it is.`,
      ),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
