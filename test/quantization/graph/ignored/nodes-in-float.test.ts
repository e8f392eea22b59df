import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../../../shared/onnx/graph/graph-index.js";
import { DataType } from "../../../../shared/onnx/model/tensor.js";
import { type DeviceName, targetHardware } from "../../../../shared/quantization/device/hardware.js";
import type { IgnoredScope } from "../../../../shared/quantization/graph/ignored/ignored-scope.js";
import {
  findNodesInFloat,
  type PatternSet,
} from "../../../../shared/quantization/graph/ignored/nodes-in-float.js";
import { GraphBuilder } from "../../../fixtures/models/model-builder.js";

/** A depthwise Conv, a Relu, a MaxPool, and two parallel products; another Conv reads the Relu. */
function net(): GraphIndex {
  const graph = new GraphBuilder();
  const x = graph.input("x", ["N", 4, 8, 8]);
  const wide = graph.conv(x, [4, 1, 3, 3], { group: 4, strides: [2, 2] }, { name: "depthwise" });
  const relu = graph.node("Relu", [wide], {}, { name: "relu" });
  const pooled = graph.node("MaxPool", [relu], { kernel_shape: [2, 2] }, { name: "pool" });
  for (const name of ["left", "right"]) graph.output(graph.conv(pooled, [4, 4, 1, 1], {}, { name }));
  graph.output(graph.conv(relu, [4, 4, 1, 1], {}, { name: "aside" }));
  const flat = graph.node("Flatten", [relu], {}, { name: "flat" });
  const dense = [flat, graph.random("w", [36, 2], 0.1), graph.random("b", [2])];
  graph.output(graph.node("Gemm", dense, {}, { name: "dense" }));
  return new GraphIndex(graph.graph);
}

function inFloat(
  index: GraphIndex,
  ignored: IgnoredScope,
  patterns?: PatternSet,
  device: DeviceName = "CPU",
): string[] {
  return [...findNodesInFloat(index, targetHardware(device), { ignored, patterns }).keys()]
    .map(({ name }) => name)
    .sort();
}

describe("The ignored scope", () => {
  for (const [title, ignored, expected] of [
    ["nothing", {}, []],
    ["a name", { scope: ["left"] }, ["left"]],
    ["an op type of ONNX", { operations: [{ type: "Gemm" }] }, ["dense"]],
    [
      "POT's name of a type",
      { operations: [{ type: "Convolution" }] },
      ["aside", "depthwise", "left", "right"],
    ],
    ["POT's name of two types", { operations: [{ type: "MatMul" }] }, ["dense"]],
    ["POT's name of a kind of a type", { operations: [{ type: "DepthWiseConvolution" }] }, ["depthwise"]],
    ["an attribute", { operations: [{ type: "Conv", attributes: { group: 4 } }] }, ["depthwise"]],
    ["a list", { operations: [{ type: "Conv", attributes: { strides: [2, 2] } }] }, ["depthwise"]],
    ["an attribute of another value", { operations: [{ type: "Conv", attributes: { group: 2 } }] }, []],
    ["an attribute that no node has", { operations: [{ type: "Conv", attributes: { auto: 1 } }] }, []],
    ["an agnostic op takes its direct readers along", { scope: ["pool"] }, ["left", "pool", "right"]],
    ["a saturating op does not", { operations: [{ type: "ReLU" }] }, ["relu"]],
    [
      "the whole model",
      { skipModel: true },
      ["aside", "dense", "depthwise", "flat", "left", "pool", "relu", "right"],
    ],
  ] as const) {
    test(title, () => assert.deepEqual(inFloat(net(), ignored), expected));
  }
});

test("nodes computed only from shapes and constants are left in float, nodes that also read data are not", () => {
  const graph = new GraphBuilder();
  const x = graph.input("x", ["N", 4, 8, 8]);
  const shape = graph.node("Shape", [x], {}, { name: "shape" });
  const real = graph.node("Cast", [shape], { to: DataType.FLOAT }, { name: "real" });
  const doubled = graph.node("Mul", [real, graph.floats("two", [1], [2])], {}, { name: "doubled" });
  const mixed = graph.node("Add", [doubled, real], {}, { name: "mixed" });
  const sizes = graph.node("Cast", [mixed], { to: DataType.INT64 }, { name: "sizes" });
  graph.output(graph.node("Resize", [x, "", "", sizes], {}, { name: "resize" }));
  graph.output(graph.node("Mul", [x, doubled], {}, { name: "data" }));
  const found = inFloat(new GraphIndex(graph.graph), {});
  assert.deepEqual(
    found.filter((name) => name !== "data"),
    ["doubled", "mixed", "real", "shape", "sizes"],
  );
});

test("data computed from shapes is quantized, products even where sizes are computed from them too", () => {
  const graph = new GraphBuilder();
  const x = graph.input("x", ["N", 4, 8, 8]);
  const shape = graph.node("Shape", [x], {}, { name: "shape" });
  const ones = graph.node("ConstantOfShape", [shape], {}, { name: "ones" });
  const product = graph.conv(ones, [4, 4, 1, 1], { auto_pad: "VALID" }, { name: "product" });
  graph.output(graph.node("Add", [x, product], {}, { name: "data" }));
  const again = graph.node("Shape", [product], {}, { name: "again" });
  const cast = graph.node("Cast", [product], { to: DataType.INT64 }, { name: "cast" });
  graph.output(graph.node("Expand", [graph.node("Tile", [x, again]), cast]));
  const hidden = graph.conv(ones, [4, 4, 1, 1], {}, { name: "sizing" });
  const sizes = graph.node("Cast", [hidden], { to: DataType.INT64 }, { name: "sizes" });
  graph.output(graph.node("Reshape", [x, sizes]));
  const found = inFloat(new GraphIndex(graph.graph), {});
  assert.deepEqual(found, ["again", "cast", "ones", "shape", "sizes", "sizing"]);
});

describe("Sets of ignored patterns", () => {
  const gated = (): GraphIndex => {
    const graph = new GraphBuilder();
    const made = graph.conv(graph.input("x", ["N", 4, 8, 8]), [4, 4, 1, 1], {}, { name: "product" });
    const scaled = graph.node(
      "Mul",
      [made, graph.node("Sigmoid", [made], {}, { name: "gate" })],
      {},
      { name: "scale" },
    );
    graph.output(graph.conv(graph.node("HardSwish", [scaled], {}, { name: "hard" }), [4, 4, 1, 1]));
    return new GraphIndex(graph.graph);
  };

  test("pot contains all, runtime those without integer kernels in ONNX Runtime, which is the default on CPU", () => {
    assert.deepEqual(inFloat(gated(), {}, "pot"), ["gate", "hard", "scale"]);
    assert.deepEqual(inFloat(gated(), {}, "runtime"), ["hard"]);
    assert.deepEqual(inFloat(gated(), {}), ["hard"]);
    assert.deepEqual(inFloat(gated(), {}, "none"), []);
  });

  test("pot is the default on simulated devices of POT", () => {
    for (const device of ["GPU", "VPU", "NPU", "GNA", "GNA3"] as const) {
      assert.deepEqual(inFloat(gated(), {}, undefined, device), ["gate", "hard", "scale"], device);
      assert.deepEqual(inFloat(gated(), {}, "runtime", device), ["hard"], device);
    }
    for (const device of ["ANY", "CPU", "CPU_SPR"] as const) {
      assert.deepEqual(inFloat(gated(), {}, undefined, device), ["hard"], device);
    }
  });

  test("every node in float has exactly one reason", () => {
    const { ignored, patterns } = { ignored: { scope: ["hard"] }, patterns: "pot" } as const;
    const reasons = findNodesInFloat(gated(), targetHardware("CPU"), { ignored, patterns });
    assert.deepEqual(
      [...reasons].map(([{ name }, reason]) => [name, reason]),
      [
        ["hard", "the configuration's `ignored` names it"],
        ["scale", "it belongs to a swish, which `ignored_patterns` leaves in float"],
        ["gate", "it belongs to a swish, which `ignored_patterns` leaves in float"],
      ],
    );
  });
});

test("Patterns of the CPU hold for every class of processors, and for ANY", () => {
  const graph = new GraphBuilder();
  const x = graph.input("x", ["N", 4, 8, 8]);
  const bounds = [graph.floats("low", [], [0]), graph.floats("high", [], [6])];
  const clipped = graph.node("Clip", [x, ...bounds], {}, { name: "clip" });
  graph.output(graph.node("Div", [clipped, graph.floats("three", [], [3])], {}, { name: "scaled" }));
  const index = new GraphIndex(graph.graph);
  for (const device of ["CPU_VNNI", "CPU_AVX2", "CPU_ARM64", "CPU_SPR", "ANY"] as const) {
    assert.deepEqual(inFloat(index, {}, undefined, device), ["clip", "scaled"], device);
  }
  assert.deepEqual(inFloat(index, {}, undefined, "NPU"), []);
});
