import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { NodeProto } from "onnx-buf";
import { decodeModel, type Model } from "../onnx/codec.js";
import { GraphIndex } from "../onnx/graph-index.js";
import { DataType, dimensions, elementCount } from "../onnx/tensor.js";
import { WEIGHTED_TYPES } from "../onnx/weighted-ops.js";
import type { QuantizerLayout } from "../quantization/groups.js";
import { simulationReason } from "../quantization/kernel-support.js";
import type { QuantizationPlan } from "../quantization/plan.js";
import { inTemporaryFolder } from "../storage/temporary-folder.js";
import { openSession, type SessionSettings } from "./session.js";

/** What ONNX Runtime's fusions leave of quantized Conv, MatMul and Gemm when they succeed. */
const INTEGER_TYPES: ReadonlySet<string> = new Set([
  "QLinearConv",
  "ConvInteger",
  "QLinearMatMul",
  "MatMulInteger",
  "MatMulIntegerToFloat",
  "QGemm",
  "MatMulNBits",
]);

/** Layout transformations number the nodes that they make anew. */
const TOKEN = /_token_\d+$/;

/** Which of a model's quantized products really run on integers. */
export interface IntegerKernels {
  /** Quantized Conv, ConvTranspose, MatMul and Gemm. */
  readonly quantized: number;
  readonly integer: number;
  readonly unfused: readonly { readonly name: string; readonly type: string; readonly reason: string }[];
}

/** A quantized Conv, ConvTranspose, MatMul or Gemm. */
interface Product {
  readonly name: string;
  readonly type: string;
  /** Its own output, and the codes of the tensor behind it: one of them is a fused kernel's output. */
  readonly outputs: readonly string[];
  /** Why it cannot run on integers; `undefined` where it can. */
  readonly simulated: string | undefined;
}

/**
 * Has ONNX Runtime optimize a model that a plan was written into, and reads back which of the quantized products became
 * integer kernels (runtime-facts.md: a pattern that does not fuse runs in float without a word).
 */
export function findIntegerKernels(
  model: Model,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  settings: SessionSettings,
): Promise<IntegerKernels> {
  const products = [...layout.ops.values()]
    .filter(({ key, role }) => role === "weighted" && plan.ops.has(key))
    .map((op) => ({
      name: op.name,
      type: op.node.opType,
      outputs: [op.key, `${op.output}/quantized`],
      simulated: simulationReason(op, layout, plan),
    }));
  return countIntegerKernels(model, products, settings);
}

/** The same for any QDQ model, whoever quantized it: its products are those whose two operands are dequantized. */
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
      outputs: [
        node.output[0]!,
        ...index
          .consumers(node.output[0]!)
          .filter((consumer) => consumer.node.opType === "QuantizeLinear")
          .map((consumer) => consumer.node.output[0]!),
      ],
      simulated: simulationReasonOf(node, index),
    }));
  return countIntegerKernels(model, products, settings);
}

/** The same as `simulationReason`, read off the operands' codes. */
function simulationReasonOf({ opType, input }: NodeProto, index: GraphIndex): string | undefined {
  if (opType === "ConvTranspose") return `ONNX Runtime has no integer ${opType}`;
  for (const operand of input.slice(0, 2)) {
    const [codes = "", scale = "", offset = ""] = dequantizer(operand, index)?.input ?? [];
    const type = index.initializers.get(offset)?.dataType ?? DataType.UINT8;
    if (type !== DataType.UINT8 && type !== DataType.INT8) {
      return `ONNX Runtime has no integer ${opType} of ${DataType[type]}`;
    }
    const scales = index.initializers.get(scale);
    const isActivation = !index.initializers.has(codes);
    if (isActivation && scales !== undefined && elementCount(dimensions(scales)) > 1) {
      return `ONNX Runtime has no integer ${opType} with a scale a channel of activations`;
    }
  }
  return undefined;
}

/** What makes an operand of codes, behind the Max of one operand that keeps scales a channel apart (`activationPair`). */
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
  const executed = await optimizedGraph(model, settings);
  const names = new Set<string>();
  const made = new Set<string>();
  for (const node of executed.graph.node) {
    if (!INTEGER_TYPES.has(node.opType)) continue;
    if (node.name !== "") names.add(node.name.replace(TOKEN, ""));
    for (const output of node.output) made.add(output);
  }
  const unfused = products
    .filter(({ name, outputs }) => !names.has(name) && !outputs.some((output) => made.has(output)))
    .map(({ name, type, simulated }) => ({
      name,
      type,
      reason: simulated ?? `ONNX Runtime did not fuse it at level ${settings.graphOptimizationLevel}`,
    }));
  return { quantized: products.length, integer: products.length - unfused.length, unfused };
}

/** The graph that ONNX Runtime executes. */
async function optimizedGraph(model: Model, settings: SessionSettings): Promise<Model> {
  return inTemporaryFolder("optimized", async (folder) => {
    const path = join(folder, "optimized.onnx");
    const session = await openSession(model, settings, path);
    await session.release();
    return decodeModel(await readFile(path), path);
  });
}
