import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeModel, type Model } from "../onnx/codec.js";
import type { QuantizerLayout } from "../quantization/groups.js";
import type { QuantizationPlan } from "../quantization/plan.js";
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

/**
 * Has ONNX Runtime optimize a quantized model and reads back which of the quantized products became integer kernels
 * (runtime-facts.md: a pattern that does not fuse runs in float without a word).
 */
export async function findIntegerKernels(
  model: Model,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  settings: SessionSettings,
): Promise<IntegerKernels> {
  const executed = await optimizedGraph(model, settings);
  const names = new Set<string>();
  const outputs = new Set<string>();
  for (const node of executed.graph.node) {
    if (!INTEGER_TYPES.has(node.opType)) continue;
    names.add(node.name.replace(TOKEN, ""));
    for (const output of node.output) outputs.add(output);
  }
  const products = [...layout.ops.values()].filter(
    ({ key, role }) => role === "weighted" && plan.ops.has(key),
  );
  const unfused = products
    .filter(
      ({ name, key, output }) => !names.has(name) && !outputs.has(key) && !outputs.has(`${output}/quantized`),
    )
    .map(({ name, node, kernel }) => ({
      name,
      type: node.opType,
      reason:
        kernel === "none"
          ? `ONNX Runtime has no integer ${node.opType}`
          : `ONNX Runtime did not fuse it at level ${settings.graphOptimizationLevel}`,
    }));
  return { quantized: products.length, integer: products.length - unfused.length, unfused };
}

/** The graph that ONNX Runtime executes. */
async function optimizedGraph(model: Model, settings: SessionSettings): Promise<Model> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-optimized-"));
  try {
    const path = join(folder, "optimized.onnx");
    const session = await openSession(model, settings, path);
    await session.release();
    return decodeModel(await readFile(path), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
