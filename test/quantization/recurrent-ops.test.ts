import assert from "node:assert/strict";
import { test } from "node:test";
import { readyFixture, runModel } from "../end-to-end/steps/quantizing.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { tuningOptions } from "./small-net.js";

const HIDDEN = 5;
const FEATURES = 4;

const recurrent = {
  name: "recurrent",
  build: () =>
    buildModel((graph) => {
      const x = graph.matMul(graph.input("x", [3, 2, 6]), 6, FEATURES, { name: "before" });
      const weights = [
        graph.random("w", [1, 4 * HIDDEN, FEATURES], 0.3),
        graph.random("r", [1, 4 * HIDDEN, HIDDEN], 0.3),
      ];
      const states = graph.node("LSTM", [x, ...weights], { hidden_size: HIDDEN }, { name: "lstm" });
      graph.output(graph.matMul(states, HIDDEN, 3, { name: "behind" }));
    }),
};

for (const targetDevice of ["CPU", "GPU", "CPU_SPR"] as const) {
  test(`${targetDevice}: an LSTM between quantized products is left in float, with a reason`, async () => {
    const { quantizer, subject, batch } = await readyFixture(recurrent, {
      targetDevice,
      options: tuningOptions(),
    });
    assert.deepEqual(subject.layout.unquantizable, [
      {
        name: "lstm",
        type: "LSTM",
        reason: "its state passes from step to step inside the op, where no quantizer can stand",
      },
    ]);
    const { model, plan } = quantizer.quantize(subject.space.base);
    assert.equal(plan.ops.size, 2);
    const lstm = model.graph.node.find(({ opType }) => opType === "LSTM")!;
    assert.deepEqual(lstm.input.slice(1, 3), ["w", "r"]);
    await runModel(model, "all", batch);
  });
}
