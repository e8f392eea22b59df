import type { NodeProto, TensorProto } from "onnx-buf";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { nodeName } from "../../onnx/graph/node-names.js";
import { RECURRENT_TYPES, WEIGHTED_TYPES } from "../../onnx/graph/weighted-ops.js";
import { floatAttribute, intAttribute } from "../../onnx/model/attributes.js";
import { DataType, dimensions, floatValues } from "../../onnx/model/tensor.js";
import type { InputLayout } from "../arithmetic/paired-codes.js";
import { isTooSmall } from "../arithmetic/range.js";
import type { Hardware, Kernel } from "../device/hardware.js";
import { nestedOps } from "./nested-ops.js";

/** Type and shape of a tensor as inferred by ONNX Runtime; dynamic dimensions are names. */
export interface TensorInfo {
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** A constant operand (weight) of an op, which is quantized ahead of time. */
export interface WeightUse {
  readonly input: number;
  readonly initializer: string;
  /** The constant's axis of output channels, or `undefined` where the kernels support one scale per tensor only. */
  readonly channelAxis: number | undefined;
  /**
   * Whether all channels must share one zero point in asymmetric mode: with different ones, ONNX Runtime does
   * not use its fast kernels for grouped convolutions (measured: 14 times slower).
   */
  readonly unifiedZeroPoint: boolean;
  /** Where the product's inputs lie in the constant; `undefined` where no kernel takes it as INT8. */
  readonly inputLayout: InputLayout | undefined;
}

/** An op that can run on quantized operands. */
export interface QuantizableOp {
  /** The op's key: the name of its first output, which is unique in a graph; node names need not be. */
  readonly key: string;
  readonly name: string;
  readonly node: NodeProto;
  /** The op type under which the device description lists the op: the node's own, or DepthwiseConv. */
  readonly deviceType: string;
  /**
   * The op type of the op's integer kernel, which is DepthwiseConv for a depthwise Conv: every processor has a
   * separate kernel for it.
   */
  readonly kernelType: string;
  readonly role: "weighted" | "follower";
  readonly kernel: Kernel;
  /** Indices of the node's inputs that are quantized activations. */
  readonly activations: readonly number[];
  /**
   * For a sum, the index of the input that stays in the product's accumulator (`fused_sum` of the device).
   */
  readonly unrounded?: number;
  readonly weight?: WeightUse;
  /** Name of the op's constant bias. */
  readonly bias?: string;
  /** The Relu or Clip that is the only reader of the op's output, which the output's quantizer can replace. */
  readonly clip?: NodeProto;
  /** The tensor that the op's output quantizer quantizes: the op's output, or that of `clip`. */
  readonly output: string;
}

/** A weighted op that cannot be quantized, with the reason as a clause. */
export interface UnquantizableOp {
  readonly name: string;
  readonly type: string;
  readonly reason: string;
}

/** A model's graph with the tensor types and the hardware that decide what can be quantized. */
export interface OperandView {
  readonly index: GraphIndex;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly hardware: Hardware;
  /** The nodes that are left in float regardless of the hardware, each with the reason as a clause. */
  readonly inFloat: ReadonlyMap<NodeProto, string>;
}

export { WEIGHTED_TYPES };

/** Name in device descriptions of the op type of depthwise convolutions. */
const DEPTHWISE_TYPE = "DepthwiseConv";

/**
 * The graph's quantizable ops: weighted ones (such as Conv) and followers (ops without weights, such as Add);
 * and the weighted ops that cannot be quantized.
 */
export function findQuantizableOps(view: OperandView): {
  ops: QuantizableOp[];
  unquantizable: UnquantizableOp[];
} {
  const ops: QuantizableOp[] = [];
  const unquantizable: UnquantizableOp[] = [];
  for (const node of view.index.nodes) {
    const nested = nestedReason(node, view.index);
    if (nested !== undefined) {
      unquantizable.push({ name: nodeName(node), type: node.opType, reason: nested });
    }
    if (node.domain !== "" && node.domain !== "ai.onnx") continue;
    const operation = view.hardware.operation(node.opType);
    const found = describe(node, view);
    if (typeof found !== "string") ops.push(found);
    else if (WEIGHTED_TYPES.has(node.opType)) {
      unquantizable.push({ name: nodeName(node), type: node.opType, reason: found });
    } else if (operation?.role === "weighted") {
      unquantizable.push({ name: nodeName(node), type: node.opType, reason: found });
    } else if (RECURRENT_TYPES.has(node.opType)) {
      const reason = "its state passes from step to step inside the op, where no quantizer can stand";
      unquantizable.push({ name: nodeName(node), type: node.opType, reason });
    }
  }
  return { ops, unquantizable };
}

/**
 * The reason why ops in the bodies of a control-flow node are left in float; `undefined` where there are
 * none.
 */
function nestedReason(node: NodeProto, index: GraphIndex): string | undefined {
  const counts = new Map<string, number>();
  for (const { type } of nestedOps(node, index.initializers)) {
    counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const listed = [...counts].map(([type, count]) => `${count} ${type}`).join(", ");
  return `its bodies hold ${listed}, and nothing in bodies of control flow is quantized`;
}

/** The node as a quantizable op, or the reason, as a clause, why it cannot be quantized. */
function describe(node: NodeProto, view: OperandView): QuantizableOp | string {
  const found = describeFinite(node, view);
  if (typeof found === "string") return found;
  for (const [role, name] of [
    ["weights hold", found.weight?.initializer],
    ["bias holds", found.bias],
  ] as const) {
    const value = name === undefined ? undefined : notFinite(view.index.initializers.get(name)!);
    if (value !== undefined) return `its ${role} ${value}, which no scale can hold`;
  }
  const weights = found.weight && view.index.initializers.get(found.weight.initializer)!;
  const largest = weights === undefined ? 0 : largestMagnitude(floatValues(weights));
  return isTooSmall(largest, WEIGHT_BITS)
    ? `none of its weights is larger than ${largest.toPrecision(2)}, which is too small for a scale`
    : found;
}

/**
 * Bit width of weight codes that is assumed when checking whether weights are too small for a scale; fewer bits
 * need less.
 */
const WEIGHT_BITS = 8;

function largestMagnitude(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The first value of a float constant that is infinite or NaN. */
function notFinite(tensor: TensorProto): number | undefined {
  return floatValues(tensor).find((value) => !Number.isFinite(value));
}

/** As {@link describe}, without the checks of the constants' values (finite, large enough for a scale). */
function describeFinite(node: NodeProto, view: OperandView): QuantizableOp | string {
  const operation = view.hardware.operation(node.opType);
  if (operation === undefined || (operation.role !== "weighted" && operation.role !== "follower")) {
    return `the target device has no quantized ${node.opType}`;
  }
  const reason = view.inFloat.get(node);
  if (reason !== undefined) return reason;
  const output = node.output[0];
  if (output === undefined || view.tensors.get(output)?.type !== "float32")
    return "its output is not float32";
  const common = {
    key: output,
    name: nodeName(node),
    node,
    ...typesOf(node, view),
    kernel: operation.kernel ?? "none",
    ...followingClip(output, view.index),
  };
  if (operation.role === "follower") {
    const activations = operation.inputs === "first" ? [0] : node.input.map((_, i) => i);
    return activations.every((i) => isActivation(node.input[i]!, view))
      ? { ...common, role: "follower", activations }
      : "one of its inputs is constant or not float32";
  }
  const operands = weightedOperands(node, view);
  return typeof operands === "string" ? operands : { ...common, role: "weighted", ...operands };
}

/**
 * A node's op types in the device description and of its kernel: a depthwise Conv may be listed as a separate
 * type.
 */
function typesOf(
  node: NodeProto,
  { index, hardware }: OperandView,
): Pick<QuantizableOp, "deviceType" | "kernelType"> {
  const kernelType = isDepthwise(node, index) ? DEPTHWISE_TYPE : node.opType;
  const isListed = hardware.operation(kernelType) !== undefined;
  return { deviceType: isListed ? kernelType : node.opType, kernelType };
}

function isDepthwise(node: NodeProto, index: GraphIndex): boolean {
  if (node.opType !== "Conv") return false;
  const weight = index.initializers.get(node.input[1] ?? "");
  const [filters, channels] = weight === undefined ? [] : dimensions(weight);
  return channels === 1 && filters !== undefined && filters > 1 && filters === intAttribute(node, "group", 1);
}

function isActivation(tensor: string, { index, tensors }: OperandView): boolean {
  return tensor !== "" && !index.initializers.has(tensor) && tensors.get(tensor)?.type === "float32";
}

function followingClip(output: string, index: GraphIndex): Pick<QuantizableOp, "output" | "clip"> {
  const consumers = index.consumers(output);
  const only = consumers[0];
  if (consumers.length !== 1 || only === undefined || index.isVisibleOutside(output)) return { output };
  const { node } = only;
  if (node.opType !== "Relu" && !(node.opType === "Clip" && clipBounds(node, index) !== undefined)) {
    return { output };
  }
  return { output: node.output[0]!, clip: node };
}

/**
 * The bounds of a Relu or Clip, infinite where it has none; `undefined` where they are not constant or do not
 * include zero.
 */
export function clipBounds(node: NodeProto, index: GraphIndex): { low: number; high: number } | undefined {
  if (node.opType === "Relu") return { low: 0, high: Number.POSITIVE_INFINITY };
  const bound = (input: number, fallback: number): number | undefined => {
    const name = node.input[input] ?? "";
    if (name === "") return fallback;
    const tensor = index.initializers.get(name);
    return tensor?.dataType === DataType.FLOAT ? floatValues(tensor)[0] : undefined;
  };
  const low = bound(1, Number.NEGATIVE_INFINITY);
  const high = bound(2, Number.POSITIVE_INFINITY);
  return low !== undefined && high !== undefined && low <= 0 && high >= 0 ? { low, high } : undefined;
}

type WeightedOperands = Pick<QuantizableOp, "activations" | "weight" | "bias">;

function weightedOperands(node: NodeProto, view: OperandView): WeightedOperands | string {
  const [first = "", second = "", third = ""] = node.input;
  const bias = third === "" ? {} : { bias: third };
  switch (node.opType) {
    case "Conv":
    case "ConvTranspose": {
      const weight = constantWeight(second, view);
      if (weight === undefined) return "its weights are not constant float32";
      if (!isActivation(first, view)) return "its input is constant or not float32";
      if (third !== "" && constantWeight(third, view) === undefined) return "its bias is not constant";
      return {
        activations: [0],
        weight: {
          input: 1,
          initializer: second,
          channelAxis: convAxis(node),
          unifiedZeroPoint: intAttribute(node, "group", 1) > 1,
          inputLayout: node.opType === "Conv" ? "filters" : undefined,
        },
        ...bias,
      };
    }
    case "Gemm": {
      const weight = constantWeight(second, view);
      if (weight === undefined || !isActivation(first, view))
        return "its second operand is not constant float32";
      if (floatAttribute(node, "alpha", 1) !== 1) return "its alpha is not 1";
      const transposed = intAttribute(node, "transB", 0) !== 0;
      const channels = dimensions(weight)[transposed ? 0 : 1];
      if (third !== "") {
        const constant = constantWeight(third, view);
        const shape = constant === undefined ? [] : dimensions(constant);
        if (shape.length !== 1 || shape[0] !== channels || floatAttribute(node, "beta", 1) !== 1) {
          return "its bias is not one constant value a column";
        }
      }
      return {
        activations: [0],
        weight: {
          input: 1,
          initializer: second,
          channelAxis: transposed ? 0 : 1,
          unifiedZeroPoint: false,
          inputLayout: transposed ? "columns" : "rows",
        },
        ...bias,
      };
    }
    case "MatMul": {
      const weight = constantWeight(second, view);
      if (weight !== undefined && isActivation(first, view)) {
        const rank = weight.dims.length;
        return {
          activations: [0],
          weight: {
            input: 1,
            initializer: second,
            channelAxis: rank === 2 ? 1 : undefined,
            unifiedZeroPoint: false,
            inputLayout: rank > 1 ? "rows" : undefined,
          },
        };
      }
      if (constantWeight(first, view) !== undefined && isActivation(second, view)) {
        return {
          activations: [1],
          weight: {
            input: 0,
            initializer: first,
            channelAxis: undefined,
            unifiedZeroPoint: false,
            inputLayout: undefined,
          },
        };
      }
      if (isActivation(first, view) && isActivation(second, view)) return { activations: [0, 1] };
      return "an operand is not float32";
    }
    default:
      return `quantizing ${node.opType} is not known`;
  }
}

function constantWeight(name: string, { index }: OperandView): TensorProto | undefined {
  const tensor = index.initializers.get(name);
  return tensor?.dataType === DataType.FLOAT && tensor.dims.length > 0 ? tensor : undefined;
}

/**
 * The axis of output channels in convolution weights: Conv weights are [M, C/g, ...]; ConvTranspose weights [C,
 * M/g, ...], where groups share the second axis, so that there is none.
 */
function convAxis(node: NodeProto): number | undefined {
  if (node.opType === "Conv") return 0;
  return intAttribute(node, "group", 1) === 1 ? 1 : undefined;
}
