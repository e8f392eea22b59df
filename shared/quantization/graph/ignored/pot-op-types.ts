import type { NodeProto } from "onnx-buf";
import { intAttribute } from "../../../onnx/model/attributes.js";

type Meaning = (node: NodeProto) => boolean;

const anyOf =
  (...types: readonly string[]): Meaning =>
  ({ opType }) =>
    types.includes(opType);

const grouped =
  (type: string): Meaning =>
  (node) =>
    node.opType === type && intAttribute(node, "group", 1) > 1;

/**
 * OpenVINO's names of op types that have another name in ONNX, or several, each with a predicate for the ONNX
 * nodes that it means.
 */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  AvgPool: anyOf("AveragePool", "GlobalAveragePool"),
  Broadcast: anyOf("Expand"),
  Ceiling: anyOf("Ceil"),
  Clamp: anyOf("Clip"),
  Convert: anyOf("Cast"),
  ConvertLike: anyOf("CastLike"),
  Convolution: anyOf("Conv"),
  ConvolutionBackpropData: anyOf("ConvTranspose"),
  Crop: anyOf("Slice"),
  DepthWiseConvolution: grouped("Conv"),
  Divide: anyOf("Div"),
  FloorMod: anyOf("Mod"),
  GreaterEqual: anyOf("GreaterOrEqual"),
  GroupConvolution: grouped("Conv"),
  GroupConvolutionBackpropData: grouped("ConvTranspose"),
  GRUCell: anyOf("GRU"),
  GRUSequence: anyOf("GRU"),
  HSigmoid: anyOf("HardSigmoid"),
  HSwish: anyOf("HardSwish"),
  Interpolate: anyOf("Resize", "Upsample"),
  LessEqual: anyOf("LessOrEqual"),
  LogicalAnd: anyOf("And"),
  LogicalNot: anyOf("Not"),
  LogicalOr: anyOf("Or"),
  LogicalXor: anyOf("Xor"),
  LSTMCell: anyOf("LSTM"),
  LSTMSequence: anyOf("LSTM"),
  MatMul: anyOf("MatMul", "Gemm"),
  Maximum: anyOf("Max"),
  Minimum: anyOf("Min"),
  Multiply: anyOf("Mul"),
  MVN: anyOf("MeanVarianceNormalization", "InstanceNormalization"),
  Negative: anyOf("Neg"),
  NormalizeL2: anyOf("LpNormalization"),
  Power: anyOf("Pow"),
  PReLU: anyOf("PRelu"),
  ReLU: anyOf("Relu"),
  ShapeOf: anyOf("Shape"),
  SoftMax: anyOf("Softmax"),
  StridedSlice: anyOf("Slice"),
  Subtract: anyOf("Sub"),
  VariadicSplit: anyOf("Split"),
};

/**
 * A predicate for the ONNX nodes of a POT op type; `undefined` where POT has no such type or ONNX uses the
 * same name.
 */
export function potMeaning(type: string): Meaning | undefined {
  return Object.hasOwn(MEANINGS, type) ? MEANINGS[type] : undefined;
}

export const POT_OP_TYPES: readonly string[] = Object.keys(MEANINGS);
