import type { NodeProto } from "onnx-buf";
import type { Consumer } from "../../onnx/graph/graph-index.js";
import type { QuantizerLayout } from "../graph/groups.js";
import { passThroughInput } from "../graph/placement.js";
import type { OperandView, QuantizableOp } from "../graph/quantizable-ops.js";
import type { QuantizationPlan } from "../space/plan.js";

/** The tensors at which a plan's activation quantizers are inserted. */
export interface Boundaries {
  /** Names of the tensors that get a QuantizeLinear and DequantizeLinear. */
  readonly quantized: ReadonlySet<string>;
  /**
   * Names of those quantized tensors that exist only in quantized form, because an integer kernel produces
   * them: all readers, float ops and model outputs included, get the dequantized values.
   */
  readonly integerOnly: ReadonlySet<string>;
  /** Whether an input of a node reads the dequantized values of its tensor instead of the float ones. */
  readsDequantized(node: NodeProto, input: number): boolean;
}

/**
 * Finds the tensors where quantizers are inserted: those that quantized ops read and that integer kernels
 * write. Quantizers are moved upwards through agnostic ops (which pass values on), so that these operate on
 * codes instead of floats, unless a float op would then read rounded values (docs/reference/algorithms.md,
 * "Placement").
 */
export function findBoundaries(
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  view: OperandView,
): Boundaries {
  const quantized = new Set<string>();
  const integerOnly = new Set<string>();
  for (const key of plan.ops) {
    const op = layout.ops.get(key)!;
    for (const i of op.activations) quantized.add(op.node.input[i]!);
    if (op.kernel === "integer output") {
      quantized.add(op.output);
      integerOnly.add(op.output);
    }
  }
  const movingCodes = new Set<NodeProto>();
  const readsCodes = ({ node, input }: Consumer): boolean => {
    const op = layout.ops.get(node.output[0] ?? "");
    if (op !== undefined && plan.ops.has(op.key)) return op.activations.includes(input);
    return input === 0 && movingCodes.has(node);
  };
  for (const node of [...view.index.nodes].reverse()) {
    const input = agnosticInput(node, layout, view);
    const read = node.output.filter((output) => output !== "");
    if (input === undefined || !read.some((output) => quantized.has(output))) continue;
    const onlyCodes = read.every(
      (output) => !view.index.isVisibleOutside(output) && view.index.consumers(output).every(readsCodes),
    );
    if (!onlyCodes) continue;
    quantized.add(input);
    movingCodes.add(node);
  }
  for (const key of plan.ops) {
    const op = layout.ops.get(key)!;
    // If a product has both quantized and float readers, ONNX Runtime fuses it for neither.
    if (op.kernel === "any output" && op.clip === undefined && quantized.has(op.output)) {
      integerOnly.add(op.output);
    }
  }
  for (const node of view.index.nodes) {
    const input = agnosticInput(node, layout, view);
    if (input === undefined || !integerOnly.has(input)) continue;
    for (const output of node.output) if (quantized.has(output)) integerOnly.add(output);
  }
  return {
    quantized,
    integerOnly,
    readsDequantized: (node, input) => {
      const tensor = node.input[input]!;
      if (!quantized.has(tensor)) return false;
      if (integerOnly.has(tensor)) return true;
      return readsCodes({ node, input });
    },
  };
}

/**
 * The input of an agnostic node (one that passes values on) that shares its quantizer with the node's output;
 * `undefined` for other nodes.
 */
function agnosticInput(node: NodeProto, layout: QuantizerLayout, view: OperandView): string | undefined {
  if (view.hardware.operation(node.opType)?.role !== "agnostic") return undefined;
  const input = passThroughInput(node, view);
  if (input === undefined) return undefined;
  const quantizer = layout.quantizerOf.get(input);
  const shared = node.output.some((output) => layout.quantizerOf.get(output) === quantizer);
  return quantizer !== undefined && shared ? input : undefined;
}

/** Whether every reader of an op's output reads the dequantized values instead of the float ones. */
export function onlyDequantizedReaders(
  op: QuantizableOp,
  boundaries: Boundaries,
  view: OperandView,
): boolean {
  if (boundaries.integerOnly.has(op.output)) return true;
  if (!boundaries.quantized.has(op.output) || view.index.isVisibleOutside(op.output)) return false;
  return view.index.consumers(op.output).every(({ node, input }) => boundaries.readsDequantized(node, input));
}
