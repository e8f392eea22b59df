import type { NodeProto } from "onnx-buf";
import { stringAttribute } from "../../onnx/model/attributes.js";
import { padsWithinRange } from "./order-readers.js";
import type { OperandView, QuantizableOp } from "./quantizable-ops.js";

/**
 * Keeps an op without weights (a follower) only where all its inputs come from integer kernels and at least
 * one integer kernel reads its output. Elsewhere, quantizing a single element-wise op would not pay: its
 * QuantizeLinear and DequantizeLinear cost more than the op and break the float fusions around it.
 */
export function keepUsefulFollowers(ops: readonly QuantizableOp[], view: OperandView): QuantizableOp[] {
  let kept = [...ops];
  for (;;) {
    const reach = new Reach(kept, view);
    const next = kept.filter(
      (op) =>
        op.role === "weighted" ||
        (op.activations.every((i) => reach.isAvailable(op.node.input[i]!)) && reach.isWanted(op.output)),
    );
    if (next.length === kept.length) return next;
    kept = next;
  }
}

/**
 * The first input of a node that is agnostic (passes codes on) or saturating (Relu, Clip), whose codes the
 * output shares; `undefined` for other nodes and where the node cannot operate on codes.
 */
export function passThroughInput(node: NodeProto, view: OperandView): string | undefined {
  const role = view.hardware.operation(node.opType)?.role;
  const input = node.input[0];
  if ((role !== "agnostic" && role !== "saturating") || input === undefined) return undefined;
  if (view.inFloat.has(node)) return undefined;
  if (view.index.initializers.has(input) || view.tensors.get(input)?.type !== "float32") return undefined;
  if (node.opType === "Pad" && !padsWithinRange(node, view)) return undefined;
  if (node.opType === "Resize" && !interpolatesWithin(node)) return undefined;
  return input;
}

/**
 * Whether the outputs of a Resize stay within the range of its input: cubic interpolation overshoots, and a
 * crop extrapolates.
 */
function interpolatesWithin(node: NodeProto): boolean {
  return (
    stringAttribute(node, "mode", "nearest") !== "cubic" &&
    stringAttribute(node, "coordinate_transformation_mode", "half_pixel") !== "tf_crop_and_resize"
  );
}

class Reach {
  readonly #byOutput: Map<string, QuantizableOp>;
  readonly #byKey: Map<string, QuantizableOp>;
  readonly #available = new Map<string, boolean>();
  readonly #wanted = new Map<string, boolean>();

  constructor(
    ops: readonly QuantizableOp[],
    private readonly view: OperandView,
  ) {
    this.#byOutput = new Map(ops.map((op) => [op.output, op]));
    this.#byKey = new Map(ops.map((op) => [op.key, op]));
  }

  /** Whether an integer kernel produces the tensor, directly or through agnostic ops (which pass codes on). */
  isAvailable(tensor: string): boolean {
    const known = this.#available.get(tensor);
    if (known !== undefined) return known;
    const op = this.#byOutput.get(tensor) ?? this.#byKey.get(tensor);
    const producer = this.view.index.producer(tensor);
    const source = producer === undefined ? undefined : passThroughInput(producer, this.view);
    const result =
      op !== undefined ? op.kernel === "integer output" : source !== undefined && this.isAvailable(source);
    this.#available.set(tensor, result);
    return result;
  }

  /** Whether an integer kernel reads the tensor, directly or through agnostic ops (which pass codes on). */
  isWanted(tensor: string): boolean {
    const known = this.#wanted.get(tensor);
    if (known !== undefined) return known;
    const result = this.view.index.consumers(tensor).some(({ node, input }) => {
      const op = this.#byKey.get(node.output[0] ?? "");
      if (op !== undefined) return op.activations.includes(input);
      return (
        input === 0 &&
        passThroughInput(node, this.view) !== undefined &&
        node.output.some((output) => this.isWanted(output))
      );
    });
    this.#wanted.set(tensor, result);
    return result;
  }
}
