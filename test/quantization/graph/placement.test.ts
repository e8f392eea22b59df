import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findIntegerKernels } from "../../../shared/evaluation/quantizer/integer-kernels.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { findBoundaries } from "../../../shared/quantization/rewrite/boundaries.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import {
  type ReadyFixture,
  readyFixture,
  runModel,
  widestConfiguration,
  worstSqnr,
} from "../../end-to-end/steps/quantizing.js";
import { type Attribute, buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";

/**
 * Lower limit, in decibels, of the agreement of integer and float kernels, which occasionally round
 * differently.
 */
const LEAST_AGREEMENT = 40;
/** Lower limit, in decibels, of the signal-to-noise ratio with a few quantizers. */
const LEAST_SQNR = 25;

type Attributes = Readonly<Record<string, Attribute>>;

/** Adds nodes whose outputs have the nodes' names. */
class Net {
  constructor(readonly graph: GraphBuilder) {}

  node(name: string, opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.graph.node(opType, inputs, attributes, { name, outputs: [name] });
  }

  conv(name: string, input: string, dims: readonly [number, number] = [4, 4]): string {
    return this.graph.conv(input, [...dims, 1, 1], {}, { name, outputs: [name] });
  }

  ints(...values: readonly number[]): string {
    return this.graph.ints(`ints${this.graph.graph.initializer.length}`, values);
  }
}

interface Row {
  readonly title: string;
  /** Builds the model from x [2, 4, 8, 8] to its output. */
  readonly fill: (net: Net, x: string) => string;
  /** The quantized tensors, those that share a scale in one list; "y" is the last. */
  readonly quantized: readonly (readonly string[])[];
  /** Tensors whose values equal those of the float model. */
  readonly unrounded?: readonly string[];
}

/** An agnostic op m before a convolution. */
function lone(
  opType: string,
  inputs: (net: Net) => readonly string[] = () => [],
  attributes: Attributes = {},
  channels = 4,
): Row {
  return {
    title: `moves above ${opType}`,
    fill: (net, x) => net.conv("y", net.node("m", opType, [x, ...inputs(net)], attributes), [4, channels]),
    quantized: [["m", "x"], ["y"]],
  };
}

const pooling = { kernel_shape: [2, 2], strides: [2, 2] };
const halves = (net: Net, input: string): [string, string] => {
  const attributes = { axis: 1 };
  net.graph.node("Split", [input], attributes, { name: "split", outputs: ["left", "right"] });
  return ["left", "right"];
};

const rows: readonly Row[] = [
  lone("MaxPool", undefined, pooling),
  lone("GlobalMaxPool"),
  lone("ReduceMax", undefined, { axes: [2, 3] }),
  lone("Reshape", (net) => [net.ints(2, 4, 4, 16)]),
  lone("Transpose", undefined, { perm: [0, 1, 3, 2] }),
  lone("Slice", (net) => [net.ints(0), net.ints(4), net.ints(2)]),
  lone("Gather", (net) => [net.ints(1, 3, 5)], { axis: 3 }),
  lone("DepthToSpace", undefined, { blocksize: 2 }, 1),
  // Pads channels, as ONNX Runtime merges spatial padding into the convolution.
  lone("Pad", (net) => [net.ints(0, 0, 0, 0, 0, 2, 0, 0)], {}, 6),
  lone("Tile", (net) => [net.ints(1, 1, 2, 1)]),
  lone("Resize", (net) => ["", "", net.ints(2, 4, 16, 16)]),
  {
    title: "moves above Squeeze, Unsqueeze, Expand and Flatten, one after the other",
    fill: (net, x) => {
      const corner = net.node("slice", "Slice", [x, net.ints(0), net.ints(1), net.ints(3)]);
      const squeezed = net.node("squeezed", "Squeeze", [corner, net.ints(3)]);
      const raised = net.node("raised", "Unsqueeze", [squeezed, net.ints(3)]);
      const wide = net.node("wide", "Expand", [raised, net.ints(2, 4, 8, 2)]);
      const flat = net.node("flat", "Flatten", [wide]);
      return net.node("y", "Gemm", [flat, net.graph.random("w", [64, 3], 0.1), net.graph.random("b", [3])]);
    },
    quantized: [["flat", "raised", "slice", "squeezed", "wide", "x"]],
  },
  {
    title: "moves above Split if all parts are read as codes",
    fill: (net, x) => {
      const [left, right] = halves(net, x);
      net.graph.output(net.conv("other", right, [2, 2]));
      return net.conv("y", left, [2, 2]);
    },
    quantized: [["left", "right", "x"], ["other"], ["y"]],
  },
  {
    title: "does not move above Split if a float op reads one part",
    fill: (net, x) => {
      const [left, right] = halves(net, x);
      net.graph.output(net.node("float", "Tanh", [right]));
      return net.conv("y", left, [2, 2]);
    },
    quantized: [["left"], ["y"]],
    unrounded: ["float"],
  },
  {
    title: "does not move above an op that a float op reads too",
    fill: (net, x) => {
      const pooled = net.node("m", "MaxPool", [x], pooling);
      net.graph.output(net.node("float", "Tanh", [pooled]));
      return net.conv("y", pooled);
    },
    quantized: [["m"], ["y"]],
    unrounded: ["float"],
  },
  {
    title: "does not move up if a float op reads the output of later agnostic ops",
    fill: (net, x) => {
      const pooled = net.node("m", "MaxPool", [x], pooling);
      net.graph.output(net.node("float", "Tanh", [net.node("turned", "Transpose", [pooled])]));
      return net.conv("y", pooled);
    },
    quantized: [["m"], ["y"]],
    unrounded: ["float"],
  },
  {
    title: "does not move up if the tensor is an output of the model",
    fill: (net, x) => {
      const pooled = net.node("m", "MaxPool", [x], pooling);
      net.graph.output(pooled);
      return net.conv("y", pooled);
    },
    quantized: [["m"], ["y"]],
    unrounded: ["m"],
  },
  {
    title: "moves up if a float op also reads the source, and the float op still reads floats",
    fill: (net, x) => {
      net.graph.output(net.node("float", "Tanh", [x]));
      return net.conv("y", net.node("m", "MaxPool", [x], pooling));
    },
    quantized: [["m", "x"], ["y"]],
    unrounded: ["float"],
  },
  {
    title: "one tensor read by two products is quantized once",
    fill: (net, x) => {
      net.graph.output(net.conv("other", x));
      return net.conv("y", x);
    },
    quantized: [["other"], ["x"], ["y"]],
  },
  {
    title: "Concat has one scale for inputs and output, and integer kernels produce its inputs",
    fill: (net, x) => {
      const parts = [
        net.conv("a", x),
        net.node("m", "MaxPool", [net.conv("b", x)], { kernel_shape: [1, 1] }),
      ];
      return net.conv("y", net.node("joined", "Concat", parts, { axis: 1 }), [4, 8]);
    },
    quantized: [["a", "b", "joined", "m"], ["x"], ["y"]],
  },
  {
    title: "stays after a Concat of floats",
    fill: (net, x) => {
      const parts = [x, net.node("float", "Tanh", [x])];
      return net.conv("y", net.node("joined", "Concat", parts, { axis: 1 }), [4, 8]);
    },
    quantized: [["joined"], ["y"]],
  },
  {
    title: "codes pass a Split and the Concat of its parts",
    fill: (net, x) => {
      const [left, right] = halves(net, net.conv("a", x));
      return net.conv("y", net.node("joined", "Concat", [right, left], { axis: 1 }));
    },
    quantized: [["a", "joined", "left", "right"], ["x"], ["y"]],
  },
  {
    title: "Max of two products is left in float: ONNX Runtime has no Max of codes",
    fill: (net, x) => net.conv("y", net.node("m", "Max", [net.conv("a", x), net.conv("b", x)])),
    quantized: [["a"], ["b"], ["m"], ["x"], ["y"]],
  },
  {
    title: "stays after a Pad with a value that may lie outside the range",
    fill: (net, x) => {
      const padding = [x, net.ints(0, 0, 1, 1, 0, 0, 1, 1), net.graph.floats("nine", [], [9])];
      return net.conv("y", net.node("m", "Pad", padding));
    },
    quantized: [["m"], ["y"]],
  },
  {
    title: "stays after a cubic Resize, which overshoots",
    fill: (net, x) =>
      net.conv("y", net.node("m", "Resize", [x, "", "", net.ints(2, 4, 16, 16)], { mode: "cubic" })),
    quantized: [["m"], ["y"]],
  },
  {
    title: "stays after a Gather of constants",
    fill: (net, x) => {
      const index = net.node(
        "index",
        "Cast",
        [net.node("high", "ReduceMax", [x], { axes: [1], keepdims: 0 })],
        {
          to: DataType.INT64,
        },
      );
      const rows = net.node("rows", "Clip", [
        index,
        net.graph.ints("low", [0], []),
        net.graph.ints("top", [2], []),
      ]);
      const table = net.graph.random("table", [3, 6]);
      return net.node("y", "MatMul", [net.node("m", "Gather", [table, rows]), net.graph.random("w", [6, 2])]);
    },
    quantized: [["m"]],
  },
  {
    title: "integers and booleans pass agnostic ops unquantized",
    fill: (net, x) => {
      const size = net.node("whole", "Cast", [x], { to: DataType.INT64 });
      const moved = net.node("moved", "Transpose", [size], { perm: [0, 1, 3, 2] });
      const positive = net.node("positive", "Greater", [moved, net.graph.ints("zero", [0], [])]);
      const turned = net.node("turned", "Reshape", [positive, net.ints(2, 4, 8, 8)]);
      return net.conv("y", net.node("m", "Where", [turned, x, net.node("negative", "Neg", [x])]));
    },
    quantized: [["m"], ["y"]],
  },
  {
    title: "shapes are computed in float and whole numbers, also where they are multiplied as floats",
    fill: (net, x) => {
      const shape = net.node("shape", "Cast", [net.node("of", "Shape", [x])], { to: DataType.FLOAT });
      const twice = [net.graph.floats("twice", [4], [1, 1, 2, 2]), shape];
      const sizes = net.node("sizes", "Cast", [net.node("scaled", "Mul", twice)], { to: DataType.INT64 });
      return net.conv("y", net.node("m", "Resize", [net.conv("a", x), "", "", sizes]));
    },
    quantized: [["a", "m"], ["x"], ["y"]],
  },
];

/** The quantized tensors of the base configuration, those of one quantizer in one list. */
function quantizedTensors({ subject, quantizer }: ReadyFixture): string[][] {
  const { layout, view, space } = subject;
  const { plan } = quantizer.quantize(space.base);
  const sets = new Map<string, string[]>();
  for (const tensor of findBoundaries(layout, plan, view).quantized) {
    const id = layout.quantizerOf.get(tensor)!;
    sets.set(id, [...(sets.get(id) ?? []), tensor]);
  }
  return [...sets.values()].map((tensors) => tensors.sort()).sort();
}

describe("Quantizers are placed as in POT, and run in ONNX Runtime", () => {
  for (const { title, fill, quantized, unrounded = [] } of rows) {
    test(title, async () => {
      const ready = await readyFixture({
        name: title,
        build: () =>
          buildModel((graph) => {
            const net = new Net(graph);
            graph.output(fill(net, graph.input("x", [2, 4, 8, 8])));
          }),
      });
      assert.deepEqual(quantizedTensors(ready), quantized);
      const { model, plan } = ready.quantizer.quantize(widestConfiguration(ready.subject));
      const expected = await runModel(ready.float, "disabled", ready.batch);
      const plain = await runModel(model, "disabled", ready.batch);
      for (const name of unrounded) assert.deepEqual(plain.get(name), expected.get(name), name);
      assert.ok(worstSqnr(expected, plain) >= LEAST_SQNR);
      assert.ok(worstSqnr(plain, await runModel(model, "all", ready.batch)) >= LEAST_AGREEMENT);
      const kernels = await findIntegerKernels(model, ready.subject.layout, plan, DEFAULT_SESSION);
      assert.deepEqual(kernels.unfused, []);
    });
  }
});
