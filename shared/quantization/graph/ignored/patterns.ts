import {
  anything,
  constant,
  context,
  either,
  graphInput,
  maybe,
  type NodePattern,
  op,
  type PlacedPattern,
  tensor,
} from "./node-pattern.js";

/** A sub-graph that is left in float (docs/reference/algorithms.md, "Ignored nodes"). */
export interface IgnoredPattern extends PlacedPattern {
  /** POT's name; for patterns without one, a description of the ops. */
  readonly name: string;
  /** The devices to which the pattern applies; all when left out. */
  readonly devices?: "CPU and GPU" | "CPU";
  /**
   * Whether the pattern is not part of the set `runtime`: ONNX Runtime has integer kernels for these ops, and
   * leaving them in float was measured not to improve accuracy.
   */
  readonly integerInRuntime?: true;
}

const PRODUCTS = ["Conv", "ConvTranspose", "Gemm", "MatMul"];
const ACTIVATIONS = ["Relu", "PRelu", "LeakyRelu", "Sigmoid", "Tanh", "Clip"];
const ELEMENTWISE = ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"];
const MEANS = ["ReduceMean", "GlobalAveragePool"];
const RESHAPING = ["Flatten", "Reshape", "Squeeze", "Unsqueeze"];
const NORMALIZATIONS = ["MeanVarianceNormalization", "InstanceNormalization", "LayerNormalization"];

/**
 * Pattern of a product with or without a bias in an Add: POT always has the Add, a Conv or Gemm of ONNX has the
 * bias as an input.
 */
const biased = (product: NodePattern): NodePattern => either(product, op("Add", product, constant));

/** Pattern of a multiplication by a constant, or of a division. */
const scaled = (operand: NodePattern): NodePattern => op(["Mul", "Div"], operand, constant);

const product = biased(context(PRODUCTS));
const activated = either(context(ACTIVATIONS, product), product);

/** Pattern of min(max(x + 3, 0), 6), which divided by 6 is HardSigmoid. */
const hardGate = (operand: NodePattern): NodePattern => op("Clip", op("Add", operand, constant));
const hardSigmoid = (operand: NodePattern): NodePattern =>
  either(op("HardSigmoid", operand), scaled(hardGate(operand)));
const swish = (name: string, operand: NodePattern): NodePattern =>
  op("Mul", tensor(name, operand), op("Sigmoid", either(tensor(name), scaled(tensor(name)))));

const gated = op("Mul", tensor("x", product), hardGate(tensor("x")));

const euclideanNorm = (operand: NodePattern): NodePattern => {
  const bounded = context(["Clip", "Max", "Add"], context("ReduceL2", operand));
  return either(context("Expand", bounded), bounded);
};

const excited = (activation: (squeezed: NodePattern) => NodePattern): NodePattern => {
  const reshaped = (operand: NodePattern): NodePattern => maybe(RESHAPING, operand);
  const dense = (operand: NodePattern): NodePattern => biased(op(["Conv", "Gemm", "MatMul"], operand));
  const squeezed = activation(dense(reshaped(context(MEANS))));
  const gate = dense(squeezed);
  return context("Mul", anything, reshaped(either(op("Sigmoid", gate), hardSigmoid(gate))));
};

const attention = (movedValues: (split: NodePattern) => NodePattern): NodePattern =>
  op(
    "MatMul",
    maybe(["Reshape"], op("Softmax")),
    movedValues(op("Transpose", op("Reshape", op("Add", anything, anything)))),
  );

const inputOf = (operand: NodePattern): NodePattern => {
  const turned = maybe(["Transpose"], operand);
  return either(turned, op("Concat", op("Split", turned)));
};

/**
 * POT's ignored patterns in terms of ONNX: nodes written with `op` are left in float, those written with
 * `context` are only context. Two of POT's patterns are left out: `operation_with_bias`, as in ONNX the bias
 * is an input of the product or in an Add of a constant, which is never quantized; and the Add after
 * `ExperimentalDetectron…`, which does not exist in ONNX.
 */
export const IGNORED_PATTERNS: readonly IgnoredPattern[] = [
  { name: "scale_shift_add", pattern: op("Add", context("Mul"), constant) },
  {
    name: "add_scale_shift",
    pattern: op("Add", op("Mul", context("Add"), constant), constant),
    atOutput: true,
  },
  { name: "mvn_scale_shift", pattern: op("Add", op("Mul", context(NORMALIZATIONS), constant), constant) },
  {
    name: "mvn_scale_shift",
    pattern: op("Add", op("Mul", context("Div", context("Sub"), context("Sqrt")), constant), constant),
  },
  { name: "normalize_l2", pattern: op("Mul", context("LpNormalization"), anything) },
  {
    name: "normalize_l2",
    pattern: op("Mul", context("Div", tensor("x"), euclideanNorm(tensor("x"))), constant),
  },
  { name: "swish", pattern: swish("x", product), integerInRuntime: true },
  {
    name: "hswish",
    pattern: either(scaled(gated), gated),
  },
  {
    name: "hswish",
    pattern: op(
      "Mul",
      tensor("x", either(product, context(["Add", "Mul", "ReduceMean", "Squeeze"]))),
      hardSigmoid(tensor("x")),
    ),
  },
  { name: "hswish", pattern: op("HardSwish") },
  {
    name: "fc_bn_hswish",
    pattern: op("Squeeze", op("Add", op("Mul", op("Unsqueeze"), constant), constant)),
  },
  {
    name: "se_block",
    pattern: excited((operand) => op(["Relu", "PRelu", "LeakyRelu"], operand)),
    integerInRuntime: true,
  },
  {
    name: "se_block_swish",
    pattern: excited((operand) => swish("squeezed", operand)),
    integerInRuntime: true,
  },
  {
    name: "softmax",
    pattern: op("Mul", tensor("exp", op("Exp")), op(["Pow", "Reciprocal"], op("ReduceSum", tensor("exp")))),
  },
  { name: "softmax", pattern: op("Div", tensor("exp", op("Exp")), op("ReduceSum", tensor("exp"))) },
  {
    name: "softmax_reshape_matmul",
    pattern: attention((values) => values),
  },
  {
    name: "softmax_reshape_transpose_matmul",
    pattern: attention((values) => op("Transpose", values)),
  },
  {
    name: "softmax_gather_matmul",
    pattern: attention((values) =>
      either(op("Gather", values), op("Squeeze", op(["Slice", "Split"], values))),
    ),
    devices: "CPU",
  },
  {
    name: "batch_index",
    pattern: op(
      "Conv",
      op(
        "Reshape",
        op(
          "Concat",
          op("Concat", op("Unsqueeze", op("Add", op("Mul", op("Mul", op("Sub")), constant), anything))),
        ),
      ),
    ),
    integerInRuntime: true,
  },
  { name: "equal_logicalnot", pattern: op("Not", op("Equal")) },
  { name: "input_scale_shift", pattern: op("Add", op("Mul", inputOf(graphInput), constant), constant) },
  { name: "input_shift", pattern: op("Add", inputOf(graphInput), constant) },
  { name: "input_scale", pattern: op("Mul", inputOf(graphInput), anything) },
  {
    name: "product_scale_shift",
    pattern: op("Add", op("Mul", activated, constant), constant),
    unbranched: true,
    devices: "CPU and GPU",
  },
  {
    name: "product_elementwise",
    pattern: op(ELEMENTWISE, activated, constant),
    unbranched: true,
    devices: "CPU and GPU",
  },
  { name: "clip_scale", pattern: scaled(op("Clip")), devices: "CPU and GPU" },
];
