import {
  type ConvolutionWindow,
  convolutionWindow,
  isPointwise,
} from "../../onnx/graph/convolution-window.js";
import { intAttribute } from "../../onnx/model/attributes.js";
import { dimensions, elementCount } from "../../onnx/model/tensor.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/**
 * A Conv, Gemm or MatMul as a product of its constant operand W with the input vector x at each position:
 * output `o` of group g is the sum over the group's terms t of W[o, t] x[g, t].
 */
export interface ConstantProduct {
  readonly op: QuantizableOp;
  /** Name of the constant operand W. */
  readonly weight: string;
  /** Name of the tensor of activations, the input x. */
  readonly input: string;
  /** The window of a Conv that is not pointwise (kernel 1, stride 1, no padding). */
  readonly window?: ConvolutionWindow;
  /** Channel axis of the input tensor, along which the terms x lie. */
  readonly inputAxis: number;
  /** Channel axis of the output tensor. */
  readonly outputAxis: number;
  readonly outputs: number;
  /**
   * Number of terms (input values that one output sums up) per convolution group; for a Conv, all taps of the
   * first channel, then those of the next.
   */
  readonly terms: number;
  readonly groups: number;
  /** Whether the shape of W is [outputs, terms] rather than [terms, outputs]. */
  readonly outputsFirst: boolean;
}

/** The op as a constant product; `undefined` for other ops, and for constants that are not a matrix. */
export function constantProduct(op: QuantizableOp, view: OperandView): ConstantProduct | undefined {
  if (op.weight === undefined) return undefined;
  const { node, activations } = op;
  const input = node.input[activations[0]!]!;
  const dims = dimensions(view.index.initializers.get(op.weight.initializer)!);
  const matrix = (inputAxis: number, outputAxis: number, outputsFirst: boolean): ConstantProduct => ({
    op,
    weight: op.weight!.initializer,
    input,
    inputAxis,
    outputAxis,
    outputs: dims[outputsFirst ? 0 : 1]!,
    terms: dims[outputsFirst ? 1 : 0]!,
    groups: 1,
    outputsFirst,
  });
  switch (node.opType) {
    case "Conv": {
      const window = convolutionWindow(node, dims.slice(2));
      return {
        ...matrix(1, 1, true),
        ...(isPointwise(window) ? {} : { window }),
        terms: elementCount(dims.slice(1)),
        groups: intAttribute(node, "group", 1),
      };
    }
    case "Gemm":
      return matrix(intAttribute(node, "transA", 0) === 0 ? 1 : 0, 1, intAttribute(node, "transB", 0) !== 0);
    case "MatMul": {
      const last = (view.tensors.get(input)?.shape.length ?? 0) - 1;
      return op.weight.input === 1 && dims.length === 2 && last > 0 ? matrix(last, last, false) : undefined;
    }
    default:
      return undefined;
  }
}

/** Index, in a product's constant, of the weight of an output and a term (input value) of its group. */
export function weightPosition(
  { outputs, terms, outputsFirst }: Pick<ConstantProduct, "outputs" | "terms" | "outputsFirst">,
  output: number,
  term: number,
): number {
  return outputsFirst ? output * terms + term : term * outputs + output;
}

/** Index of the convolution group that an output of a product belongs to. */
export function groupOfOutput(
  { outputs, groups }: Pick<ConstantProduct, "outputs" | "groups">,
  output: number,
): number {
  return Math.floor((output * groups) / outputs);
}
