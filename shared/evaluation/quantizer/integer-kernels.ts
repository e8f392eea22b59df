import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { NodeProto } from "onnx-buf";
import { GraphIndex } from "../../onnx/graph/graph-index.js";
import { WEIGHTED_TYPES } from "../../onnx/graph/weighted-ops.js";
import { decodeModel, type Model } from "../../onnx/model/codec.js";
import { DataType, dimensions, elementCount } from "../../onnx/model/tensor.js";
import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import { simulationReason } from "../../quantization/rewrite/kernel-support.js";
import type { QuantizationPlan } from "../../quantization/space/plan.js";
import { openSession, type SessionSettings } from "../../runtime/session.js";
import { inTemporaryFolder } from "../../storage/temporary-folder.js";

/** Types of the integer ops that ONNX Runtime fuses quantized Conv, MatMul and Gemm into. */
const INTEGER_TYPES: ReadonlySet<string> = new Set([
  "QLinearConv",
  "ConvInteger",
  "QLinearMatMul",
  "MatMulInteger",
  "MatMulIntegerToFloat",
  "QGemm",
  "MatMulNBits",
]);

/** Suffix that ONNX Runtime's layout transformations add to names of nodes. */
const TOKEN = /_token_\d+$/;

/** Ops that only move values; fusions may put them between a kernel and the product's output. */
const MOVING_TYPES: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Identity",
]);

/**
 * How many of a model's quantized products (Conv, ConvTranspose, MatMul, Gemm) run as integer kernels, and
 * why the others do not.
 */
export interface IntegerKernels {
  /** Number of quantized Conv, ConvTranspose, MatMul and Gemm. */
  readonly quantized: number;
  readonly integer: number;
  readonly unfused: { readonly name: string; readonly type: string; readonly reason: string }[];
}

/** A quantized Conv, ConvTranspose, MatMul or Gemm. */
interface Product {
  readonly name: string;
  readonly type: string;
  /**
   * Names of the product's output and its codes (the tensor quantized to integers), and of those of an Add
   * that is its only reader and may have become its bias. A fused kernel has one of them as its output.
   */
  readonly outputs: readonly string[];
  /** Why the product cannot run as an integer kernel; `undefined` where it can. */
  readonly simulated: string | undefined;
}

/**
 * Counts the quantized products of a model that become integer kernels, in the graph that ONNX Runtime optimizes: a QDQ
 * pattern that it does not fuse runs in float without a warning.
 */
export function findIntegerKernels(
  model: Model,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  settings: SessionSettings,
): Promise<IntegerKernels> {
  const index = new GraphIndex(model.graph);
  const products = [...layout.ops.values()]
    .filter(({ key, role }) => role === "weighted" && plan.ops.has(key))
    .map((op) => ({
      name: op.name,
      type: op.node.opType,
      outputs: [...codesOf(op.output, index), ...outputsBehind(op.key, index)],
      simulated: simulationReason(op, layout, plan),
    }));
  return countIntegerKernels(model, products, settings);
}

/**
 * Counts integer kernels as `findIntegerKernels` does, but for any model with QuantizeLinear and
 * DequantizeLinear, also of other tools: its products are those with two dequantized operands.
 */
export function findIntegerKernelsOf(model: Model, settings: SessionSettings): Promise<IntegerKernels> {
  const index = new GraphIndex(model.graph);
  const products = index.nodes
    .filter(
      ({ opType, input }) =>
        WEIGHTED_TYPES.has(opType) &&
        input.slice(0, 2).every((tensor) => dequantizer(tensor, index) !== undefined),
    )
    .map((node) => ({
      name: node.name,
      type: node.opType,
      outputs: outputsBehind(node.output[0]!, index),
      simulated: simulationReasonOf(node, index),
    }));
  return countIntegerKernels(model, products, settings);
}

/**
 * Names of a product's output and that of an Add that is its only reader, with the codes (quantized tensors)
 * of both.
 */
function outputsBehind(output: string, index: GraphIndex): string[] {
  const [reader, ...others] = index.consumers(output);
  const isAdded = reader?.node.opType === "Add" && others.length === 0;
  return [output, ...(isAdded ? reader.node.output : [])].flatMap((tensor) => [
    tensor,
    ...codesOf(tensor, index),
  ]);
}

/** Names of the integer tensors that a tensor is quantized to, or that it is dequantized from. */
function codesOf(tensor: string, index: GraphIndex): string[] {
  const producer = index.producer(tensor);
  return [
    ...(producer?.opType === "DequantizeLinear" ? producer.input.slice(0, 1) : []),
    ...index
      .consumers(tensor)
      .filter(({ node }) => node.opType === "QuantizeLinear")
      .flatMap(({ node }) => node.output),
  ];
}

/**
 * Why a product cannot run as an integer kernel, from the element types and scales in the model; `undefined`
 * where it can.
 */
function simulationReasonOf({ opType, input }: NodeProto, index: GraphIndex): string | undefined {
  if (opType === "ConvTranspose") return `ONNX Runtime has no integer ${opType}`;
  for (const operand of input.slice(0, 2)) {
    const [codes = "", scale = "", offset = ""] = dequantizer(operand, index)?.input ?? [];
    const typed = index.initializers.get(offset) ?? index.initializers.get(codes);
    const type = typed?.dataType ?? DataType.UINT8;
    if (type !== DataType.UINT8 && type !== DataType.INT8) {
      return `ONNX Runtime has no integer ${opType} of ${DataType[type]}`;
    }
    const scales = index.initializers.get(scale);
    const isActivation = !index.initializers.has(codes);
    if (isActivation && scales !== undefined && elementCount(dimensions(scales)) > 1) {
      return `ONNX Runtime has no integer ${opType} with scales per channel of activations`;
    }
  }
  return undefined;
}

/**
 * The DequantizeLinear of an operand, also behind a Max with one input, which `activationPair` adds for scales per
 * channel.
 */
function dequantizer(tensor: string, index: GraphIndex): NodeProto | undefined {
  const producer = index.producer(tensor);
  if (producer?.opType === "DequantizeLinear") return producer;
  const [only = "", ...others] = producer?.opType === "Max" ? producer.input : [];
  const behind = others.length === 0 ? index.producer(only) : undefined;
  return behind?.opType === "DequantizeLinear" ? behind : undefined;
}

async function countIntegerKernels(
  model: Model,
  products: readonly Product[],
  settings: SessionSettings,
): Promise<IntegerKernels> {
  const executed = new GraphIndex((await optimizedGraph(model, settings)).graph);
  const names = new Set(products.map(({ name }) => name));
  const kernels = executed.nodes.filter(({ opType }) => INTEGER_TYPES.has(opType));
  const fused = new Set(kernels.map(({ name }) => fusedName(name.replace(TOKEN, ""), names)));
  const made = new Set(
    kernels.flatMap(({ output }) => output.flatMap((tensor) => movedFrom(tensor, executed))),
  );
  const unfused = products
    .filter(({ name, outputs }) => !fused.has(name) && !outputs.some((output) => made.has(output)))
    .map(({ name, type, simulated }) => ({
      name,
      type,
      reason: simulated ?? `ONNX Runtime did not fuse it at level ${settings.graphOptimizationLevel}`,
    }));
  return { quantized: products.length, integer: products.length - unfused.length, unfused };
}

/**
 * Name of the product (Conv, MatMul, Gemm) that a kernel replaces, found by the kernel's name: fusions append
 * a suffix such as `/MatMulAddFusion` to it.
 */
function fusedName(kernel: string, products: ReadonlySet<string>): string | undefined {
  for (let name = kernel; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf("/")))) {
    if (products.has(name)) return name;
  }
  return undefined;
}

/** Names of a tensor and of all tensors that result from it by ops that only move values. */
function movedFrom(tensor: string, index: GraphIndex): string[] {
  const moved = index
    .consumers(tensor)
    .filter(({ node, input }) => input === 0 && MOVING_TYPES.has(node.opType))
    .flatMap(({ node }) => node.output);
  return [tensor, ...moved.flatMap((output) => movedFrom(output, index))];
}

/** The model as ONNX Runtime optimizes it before it executes it. */
async function optimizedGraph(model: Model, settings: SessionSettings): Promise<Model> {
  return inTemporaryFolder("optimized", async (folder) => {
    const path = join(folder, "optimized.onnx");
    const session = await openSession(model, settings, path);
    await session.release();
    return decodeModel(await readFile(path), path);
  });
}
