import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { simulationReason } from "../../../shared/quantization/rewrite/kernel-support.js";
import { readyFixture, runModel, worstSqnr } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { tuningOptions } from "../small-net.js";

/**
 * A sum of two branches, followed by a convolution.
 * @param branches adds two branches from the output of a convolution and returns the names of their outputs
 */
function summing(
  branches: (graph: GraphBuilder, stem: string, conv: (name: string, input: string) => string) => string[],
) {
  return {
    name: "sums",
    build: () =>
      buildModel((graph) => {
        const conv = (name: string, input: string, channels = 4) => {
          const constants = [
            graph.random(`${name}.w`, [4, channels, 1, 1], 0.4),
            graph.random(`${name}.b`, [4], 0.4),
          ];
          return graph.node("Conv", [input, ...constants], {}, { name, outputs: [name] });
        };
        const stem = conv("stem", graph.input("x", ["N", 3, 4, 4]), 3);
        const summed = branches(graph, stem, conv);
        const sum = graph.node("Add", summed, {}, { name: "sum", outputs: ["sum"] });
        graph.output(conv("last", sum));
      }),
  };
}

const relu = (graph: GraphBuilder, input: string): string =>
  graph.node("Relu", [input], {}, { name: `${input}_relu`, outputs: [`${input}_relu`] });

describe("On CPU_SPR, the input of an Add that stays in the accumulator", () => {
  const cases: readonly (readonly [
    what: string,
    branches: Parameters<typeof summing>[0],
    unrounded: number | undefined,
  ])[] = [
    [
      "is the one with the Add as its only reader, not the shortcut",
      (_, stem, conv) => [conv("a", stem), stem],
      0,
    ],
    ["in either order", (_, stem, conv) => [stem, conv("a", stem)], 1],
    [
      "is the second where the Add is the only reader of both",
      (_, stem, conv) => [conv("a", stem), conv("b", stem)],
      1,
    ],
    [
      "does not exist after a Relu next to a shortcut",
      (graph, stem, conv) => [relu(graph, conv("a", stem)), stem],
      undefined,
    ],
    [
      "may come from a Relu where the Add is the only reader of both",
      (graph, stem, conv) => [conv("a", stem), relu(graph, conv("b", stem))],
      1,
    ],
  ];
  for (const [what, branches, unrounded] of cases) {
    test(what, async () => {
      const { quantizer, subject, batch, float } = await readyFixture(summing(branches), {
        targetDevice: "CPU_SPR",
        options: tuningOptions(),
      });
      const { layout, space } = subject;
      const sum = layout.ops.get("sum")!;
      assert.equal(sum.unrounded, unrounded);
      const { model, plan } = quantizer.quantize(space.base);
      assert.ok(plan.ops.has("sum"));
      const quantizedInputs = sum.node.input.map((tensor) => layout.quantizerOf.has(tensor));
      assert.deepEqual(
        quantizedInputs,
        [0, 1].map((input) => input !== unrounded),
      );
      if (unrounded !== undefined) {
        const maker = [...layout.ops.values()].find(({ output }) => output === sum.node.input[unrounded])!;
        assert.equal(
          simulationReason(maker, layout, plan),
          "ONNX Runtime has no integer Conv with a float output",
        );
        assert.equal(
          simulationReason(sum, layout, plan),
          "ONNX Runtime has no integer Add of a float operand",
        );
      }
      const apart = await runModel(model, "disabled", batch);
      assert.ok(worstSqnr(apart, await runModel(model, "all", batch, subject.hardware)) > 25);
      assert.ok(worstSqnr(await runModel(float, "disabled", batch), apart) > 20);
    });
  }

  test("does not exist on other devices", async () => {
    const { subject } = await readyFixture(
      summing((_, stem, conv) => [conv("a", stem), stem]),
      { targetDevice: "GPU" },
    );
    assert.equal(subject.layout.ops.get("sum")!.unrounded, undefined);
  });
});
