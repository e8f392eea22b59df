import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GraphIndex } from "../../shared/onnx/graph/graph-index.js";
import { targetHardware } from "../../shared/quantization/device/hardware.js";
import { layOutQuantizers, type QuantizerLayout } from "../../shared/quantization/graph/groups.js";
import { planQuantization } from "../../shared/quantization/space/plan.js";
import { deriveSpace, switchName } from "../../shared/quantization/space/space.js";
import { GraphBuilder } from "../fixtures/models/model-builder.js";
import { tuningOptions } from "./small-net.js";

const SHAPE = [2, 4, 8, 8] as const;

type Step = readonly [kind: (typeof KINDS)[number], first: number, second: number];

const KINDS = ["Conv", "Add", "Concat", "MaxPool", "Transpose", "Sigmoid", "Tanh", "MatMul"] as const;

const anySteps = fc.array(fc.tuple(fc.constantFrom(...KINDS), fc.nat(20), fc.nat(20)), {
  minLength: 1,
  maxLength: 14,
});

/** All tensors have the same shape, so that any op can read any of them. */
function anyGraph(steps: readonly Step[]): GraphIndex {
  const graph = new GraphBuilder();
  const tensors = [graph.input("x", SHAPE)];
  const unread = new Set<string>();
  for (const [kind, first, second] of steps) {
    const [one, other] = [tensors[first % tensors.length]!, tensors[second % tensors.length]!];
    const made = addStep(graph, kind, one, other);
    for (const tensor of [one, other]) unread.delete(tensor);
    tensors.push(made);
    unread.add(made);
  }
  for (const tensor of unread) graph.output(tensor);
  return new GraphIndex(graph.graph);
}

function addStep(graph: GraphBuilder, kind: Step[0], one: string, other: string): string {
  switch (kind) {
    case "Conv":
      return graph.conv(one, [4, 4, 1, 1]);
    case "Add":
    case "MatMul":
      return graph.node(kind, [one, other]);
    case "Concat":
      return graph.conv(graph.node("Concat", [one, other], { axis: 1 }), [4, 8, 1, 1]);
    case "MaxPool":
      return graph.node(kind, [one], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    case "Transpose":
      return graph.node(kind, [one], { perm: [0, 1, 3, 2] });
    case "Sigmoid":
    case "Tanh":
      return graph.node(kind, [one]);
  }
}

function layOut(index: GraphIndex): QuantizerLayout {
  const names = [...index.inputs, ...index.nodes.flatMap(({ output }) => output)];
  const tensors = new Map(names.map((name) => [name, { type: "float32", shape: SHAPE }]));
  return layOutQuantizers({ index, tensors, hardware: targetHardware("CPU"), inFloat: new Map() });
}

/**
 * The ops that stay quantized after removing one quantizer, by the block rule of POT
 * (docs/reference/algorithms.md, "Quantizer groups"): ops that read it return to float with all their other
 * quantizers, and so on; finally ops whose kernel needs a quantized output that is gone.
 */
function withoutQuantizer(removed: string, { ops, quantizerOf }: QuantizerLayout): Set<string> {
  const gone = new Set([removed]);
  const inFloat = new Set<string>();
  for (let before = -1; before !== gone.size + inFloat.size; ) {
    before = gone.size + inFloat.size;
    for (const op of ops.values()) {
      const inputs = op.activations.map((input) => quantizerOf.get(op.node.input[input]!)!);
      if (!inputs.some((quantizer) => gone.has(quantizer))) continue;
      inFloat.add(op.key);
      for (const quantizer of inputs) gone.add(quantizer);
    }
  }
  return new Set(
    [...ops.values()]
      .filter(({ key, kernel, output }) => {
        const needsOutput = kernel === "integer output" && gone.has(quantizerOf.get(output)!);
        return !inFloat.has(key) && !needsOutput;
      })
      .map(({ key }) => key),
  );
}

test("switching off a group leaves the same ops in float as removing any of its quantizers, in any graph", () => {
  const hardware = targetHardware("CPU");
  const options = tuningOptions({ tuningScope: new Set(["layer"]) });
  let switched = 0;
  fc.assert(
    fc.property(anySteps, (steps) => {
      const layout = layOut(anyGraph(steps));
      const { base } = deriveSpace(layout, hardware, options);
      assert.deepEqual(planQuantization(layout, hardware, options, base).ops, new Set(layout.ops.keys()));
      const read = new Set(
        [...layout.ops.values()].flatMap(({ activations, node }) =>
          activations.map((input) => layout.quantizerOf.get(node.input[input]!)!),
        ),
      );
      for (const group of layout.groups.values()) {
        const off = { ...base, [switchName(group.id)]: false };
        const { ops, activations } = planQuantization(layout, hardware, options, off);
        for (const quantizer of group.activations.filter((id) => read.has(id))) {
          assert.deepEqual([...ops].sort(), [...withoutQuantizer(quantizer, layout)].sort(), quantizer);
          assert.ok(!activations.has(quantizer), `${quantizer} is off`);
          switched += 1;
        }
      }
    }),
    { seed: 3, numRuns: 300 },
  );
  assert.ok(switched > 300, "graphs had quantizers to remove");
});
