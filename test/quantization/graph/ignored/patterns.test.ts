import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../../../shared/onnx/graph/graph-index.js";
import { findDetectionTail } from "../../../../shared/quantization/graph/ignored/detection-tail.js";
import { findMatches } from "../../../../shared/quantization/graph/ignored/node-pattern.js";
import { IGNORED_PATTERNS } from "../../../../shared/quantization/graph/ignored/patterns.js";
import { GraphBuilder } from "../../../fixtures/models/model-builder.js";

type Fill = (graph: GraphBuilder, x: string) => string;

const three = (graph: GraphBuilder): string =>
  graph.floats(`three${graph.graph.initializer.length}`, [], [3]);
const product = (graph: GraphBuilder, x: string): string =>
  graph.conv(x, [4, 4, 1, 1], {}, { name: "product" });
const gate = (graph: GraphBuilder, x: string): string => {
  const bounds = [graph.floats(`low${x}`, [], [0]), graph.floats(`high${x}`, [], [6])];
  return graph.node("Clip", [graph.node("Add", [x, three(graph)]), ...bounds]);
};
const excite = (graph: GraphBuilder, x: string, activation: (squeezed: string) => string): string => {
  const mean = graph.node("GlobalAveragePool", [x], {}, { name: "mean" });
  const squeezed = activation(graph.conv(mean, [2, 4, 1, 1], {}, { name: "squeeze" }));
  const excited = graph.conv(squeezed, [4, 2, 1, 1], {}, { name: "excite" });
  return graph.node("Mul", [x, graph.node("Sigmoid", [excited])], {}, { name: "scale" });
};
const attend = (graph: GraphBuilder, x: string, moved: (values: string) => string): string => {
  const values = graph.node("Add", [graph.matMul(x, 4, 4), graph.random("bias", [4])]);
  const split = graph.node("Reshape", [values, graph.ints("heads", [0, 0, 2, 2])]);
  const turned = graph.node("Transpose", [split], { perm: [0, 2, 1, 3] });
  return graph.node("MatMul", [graph.node("Softmax", [x]), moved(turned)], {}, { name: "context" });
};

/**
 * Each row: POT's name, a graph with an input x, and the nodes that match; node names are op type and number.
 */
const rows: readonly (readonly [name: string, found: readonly string[], fill: Fill])[] = [
  ["scale_shift_add", ["Add_2"], (g, x) => g.node("Add", [three(g), g.node("Mul", [x, x])])],
  [
    "add_scale_shift",
    ["Add_3", "Mul_2"],
    (g, x) => g.node("Add", [g.node("Mul", [g.node("Add", [x, x]), three(g)]), three(g)]),
  ],
  [
    "mvn_scale_shift",
    ["Add_3", "Mul_2"],
    (g, x) => g.node("Add", [g.node("Mul", [three(g), g.node("MeanVarianceNormalization", [x])]), three(g)]),
  ],
  [
    "mvn_scale_shift",
    ["Add_7", "Mul_6"],
    (g, x) => {
      const centred = g.node("Sub", [x, g.node("ReduceMean", [x])]);
      const deviation = g.node("Sqrt", [g.node("ReduceMean", [centred])]);
      return g.node("Add", [g.node("Mul", [g.node("Div", [centred, deviation]), three(g)]), three(g)]);
    },
  ],
  ["normalize_l2", ["Mul_2"], (g, x) => g.node("Mul", [g.node("LpNormalization", [x]), three(g)])],
  [
    "normalize_l2",
    ["Mul_4"],
    (g, x) => {
      const norm = g.node("Clip", [g.node("ReduceL2", [x]), three(g)]);
      return g.node("Mul", [g.node("Div", [x, norm]), three(g)]);
    },
  ],
  [
    "swish",
    ["Mul_3", "Sigmoid_2"],
    (g, x) => {
      const made = product(g, x);
      return g.node("Mul", [g.node("Sigmoid", [made]), made]);
    },
  ],
  [
    "swish",
    ["Mul_3", "Mul_5", "Sigmoid_4", "bias"],
    (g, x) => {
      const bias = [g.matMul(x, 4, 4, { name: "product" }), g.random("b", [4])];
      const made = g.node("Add", bias, {}, { name: "bias" });
      return g.node("Mul", [made, g.node("Sigmoid", [g.node("Mul", [made, three(g)])])]);
    },
  ],
  [
    "hswish",
    ["Add_2", "Clip_3", "Div_5", "Mul_4"],
    (g, x) => {
      const made = product(g, x);
      return g.node("Div", [g.node("Mul", [made, gate(g, made)]), three(g)]);
    },
  ],
  [
    "hswish",
    ["Add_2", "Clip_3", "Mul_4", "Mul_5"],
    (g, x) => {
      const mean = g.node("ReduceMean", [x]);
      return g.node("Mul", [g.node("Mul", [gate(g, mean), three(g)]), mean]);
    },
  ],
  [
    "hswish",
    ["HardSigmoid_2", "Mul_3"],
    (g, x) => {
      const made = product(g, x);
      return g.node("Mul", [made, g.node("HardSigmoid", [made])]);
    },
  ],
  ["hswish", ["HardSwish_2"], (g, x) => g.node("HardSwish", [product(g, x)])],
  [
    "fc_bn_hswish",
    ["Add_3", "Mul_2", "Squeeze_4", "Unsqueeze_1"],
    (g, x) => {
      const raised = g.node("Unsqueeze", [x, g.ints("axis", [0])]);
      const scaled = g.node("Add", [g.node("Mul", [raised, three(g)]), three(g)]);
      return g.node("Squeeze", [scaled, g.ints("axis2", [0])]);
    },
  ],
  [
    "se_block",
    ["Relu_3", "Sigmoid_5", "excite", "squeeze"],
    (g, x) => excite(g, x, (s) => g.node("Relu", [s])),
  ],
  [
    "se_block_swish",
    ["Mul_4", "Sigmoid_3", "Sigmoid_6", "excite", "squeeze"],
    (g, x) => excite(g, x, (s) => g.node("Mul", [s, g.node("Sigmoid", [s])])),
  ],
  [
    "softmax",
    ["Exp_1", "Mul_4", "Pow_3", "ReduceSum_2"],
    (g, x) => {
      const exp = g.node("Exp", [x]);
      return g.node("Mul", [exp, g.node("Pow", [g.node("ReduceSum", [exp]), g.floats("-1", [], [-1])])]);
    },
  ],
  [
    "softmax",
    ["Div_3", "Exp_1", "ReduceSum_2"],
    (g, x) => {
      const exp = g.node("Exp", [x]);
      return g.node("Div", [exp, g.node("ReduceSum", [exp])]);
    },
  ],
  [
    "softmax_reshape_matmul",
    ["Add_2", "Reshape_3", "Softmax_5", "Transpose_4", "context"],
    (g, x) => attend(g, x, (values) => values),
  ],
  [
    "softmax_reshape_transpose_matmul",
    ["Add_2", "Reshape_3", "Softmax_5", "Transpose_4", "Transpose_6", "context"],
    (g, x) => attend(g, x, (values) => g.node("Transpose", [values])),
  ],
  [
    "softmax_gather_matmul",
    ["Add_2", "Gather_6", "Reshape_3", "Softmax_5", "Transpose_4", "context"],
    (g, x) => attend(g, x, (values) => g.node("Gather", [values, g.ints("part", [0])])),
  ],
  [
    "softmax_gather_matmul",
    ["Add_2", "Reshape_3", "Slice_6", "Softmax_5", "Squeeze_7", "Transpose_4", "context"],
    (g, x) => {
      const part = (values: string): string => g.node("Slice", [values, g.ints("a", [0]), g.ints("b", [1])]);
      return attend(g, x, (values) => g.node("Squeeze", [part(values)]));
    },
  ],
  [
    "batch_index",
    ["Add_4", "Concat_6", "Concat_7", "Mul_2", "Mul_3", "Reshape_8", "Sub_1", "Unsqueeze_5", "product"],
    (g, x) => {
      const scaled = g.node("Mul", [g.node("Mul", [g.node("Sub", [x, x]), x]), three(g)]);
      const index = g.node("Unsqueeze", [g.node("Add", [x, scaled]), g.ints("axis", [0])]);
      const boxes = g.node("Concat", [three(g), g.node("Concat", [x, index], { axis: 0 })], { axis: 0 });
      return product(g, g.node("Reshape", [boxes, g.ints("shape", [1, 4, 1, -1])]));
    },
  ],
  ["equal_logicalnot", ["Equal_1", "Not_2"], (g, x) => g.node("Not", [g.node("Equal", [x, three(g)])])],
  [
    "input_scale_shift",
    ["Add_2", "Mul_1"],
    (g, x) => g.node("Add", [g.node("Mul", [x, three(g)]), three(g)]),
  ],
  [
    "input_shift",
    ["Add_4", "Concat_3", "Split_2", "Transpose_1"],
    (g, x) => {
      const parts = g.node("Split", [g.node("Transpose", [x])], {}, { outputs: ["blue", "green"] });
      return g.node("Add", [g.node("Concat", ["green", parts], { axis: 1 }), three(g)]);
    },
  ],
  ["input_scale", ["Mul_1"], (g, x) => g.node("Mul", [x, three(g)])],
  [
    "product_scale_shift",
    ["Add_4", "Mul_3"],
    (g, x) => {
      const scaled = g.node("Mul", [g.node("Relu", [product(g, x)]), three(g)]);
      return g.node("Add", [scaled, three(g)]);
    },
  ],
  ["product_elementwise", ["Div_2"], (g, x) => g.node("Div", [product(g, x), three(g)])],
  ["clip_scale", ["Clip_1", "Div_2"], (g, x) => g.node("Div", [g.node("Clip", [x]), three(g)])],
];

function indexOf(fill: Fill): GraphIndex {
  const graph = new GraphBuilder();
  graph.output(fill(graph, graph.input("x", ["N", 4, 8, 8])));
  return new GraphIndex(graph.graph);
}

function found(name: string, index: GraphIndex): string[] {
  const nodes = IGNORED_PATTERNS.filter((pattern) => pattern.name === name).flatMap((pattern) => [
    ...findMatches(pattern, index),
  ]);
  return [...new Set(nodes.map((node) => node.name))].sort();
}

describe("Ignored patterns match the sub-graphs of POT", () => {
  for (const [name, expected, fill] of rows) {
    test(`${name}: ${expected.join(", ")}`, () => assert.deepEqual(found(name, indexOf(fill)), expected));
  }

  test("every pattern of the table is tested here", () => {
    const named = new Set(rows.map(([name]) => name));
    assert.deepEqual([...new Set(IGNORED_PATTERNS.map(({ name }) => name))].sort(), [...named].sort());
  });
});

describe("Ignored patterns do not match similar sub-graphs", () => {
  test("a gate that multiplies another tensor than it was computed from is no swish", () => {
    const index = indexOf((g, x) => {
      const [one, other] = [g.conv(x, [4, 4, 1, 1]), g.conv(x, [4, 4, 1, 1])];
      return g.node("Mul", [one, g.node("Sigmoid", [other])]);
    });
    assert.deepEqual(found("swish", index), []);
  });

  test("a scale after a convolution whose output has another reader does not match", () => {
    const index = indexOf((g, x) => {
      const made = product(g, x);
      return g.node("Add", [g.node("Div", [made, three(g)]), made]);
    });
    assert.deepEqual(found("product_elementwise", index), []);
  });

  test("a scale and shift that is not an output of the model is no add_scale_shift", () => {
    const index = indexOf((g, x) => {
      const shifted = g.node("Add", [g.node("Mul", [g.node("Add", [x, x]), three(g)]), three(g)]);
      return product(g, shifted);
    });
    assert.deepEqual(found("add_scale_shift", index), []);
  });
});

test("a detection tail extends from NonMaxSuppression and TopK up to the products", () => {
  const index = indexOf((g, x) => {
    const scores = g.node("Sigmoid", [product(g, x)]);
    const boxes = g.node("Concat", [g.node("Exp", [g.conv(x, [4, 4, 1, 1])]), x], { axis: 1 });
    const best = g.node("TopK", [scores, g.ints("k", [5])]);
    g.node("Relu", [best]);
    return g.node("NonMaxSuppression", [boxes, best]);
  });
  assert.deepEqual([...findDetectionTail(index)].map(({ opType }) => opType).sort(), [
    "Concat",
    "Exp",
    "NonMaxSuppression",
    "Sigmoid",
    "TopK",
  ]);
});
