import type { InputLayout } from "../arithmetic/paired-codes.js";
import { activationChannels } from "./activation-channels.js";
import { DisjointSets } from "./disjoint-sets.js";
import { withFusedSums } from "./fused-sums.js";
import { maskValues } from "./mask-values.js";
import { picksByOrder } from "./order-readers.js";
import { keepUsefulFollowers, passThroughInput } from "./placement.js";
import {
  findQuantizableOps,
  type OperandView,
  type QuantizableOp,
  type UnquantizableOp,
} from "./quantizable-ops.js";

/**
 * An activation quantizer: a set of tensors that share scale and zero point, as agnostic ops (which pass codes
 * on) or ops such as Concat join them.
 */
export interface ActivationQuantizer {
  /** The quantizer's id: the name of its first source tensor. */
  readonly id: string;
  /**
   * The tensors whose values determine the quantizer's range: those not computed from another of its tensors. A
   * tensor that a float op produces and that only maxima and minima read is replaced by their outputs: clipping
   * commutes with them, and masks or padding values that they never select are no activations.
   */
  readonly sources: readonly string[];
  readonly tensors: readonly string[];
  /** The constants (such as -1e4) with which values of the source tensors may be masked. */
  readonly masks?: readonly number[];
  /**
   * Number of channels, and so of scales with granularity per channel; `undefined` where only one scale per
   * tensor is possible.
   */
  readonly channels?: number;
}

/** The quantizer of a constant operand, which several ops may share. */
export interface WeightQuantizer {
  /** The quantizer's id: the name of the constant (initializer). */
  readonly id: string;
  readonly ops: readonly string[];
  readonly channelAxis: number | undefined;
  readonly unifiedZeroPoint: boolean;
  /**
   * Where the inputs of the products lie in the constant; `undefined` where its ops differ in that or no kernel
   * takes it as INT8.
   */
  readonly inputLayout: InputLayout | undefined;
  /**
   * What the saturation fix (against overflow of 16-bit sums in integer kernels) requires: codes that are exact
   * on the target processor, or 7 bits wherever 8 bits can saturate on any processor.
   */
  readonly saturationFix?: "exact" | "seven bits";
}

/**
 * Ops that are switched between integer and float together, because they share activation quantizers, with
 * these quantizers and their weights (docs/reference/algorithms.md, "Quantizer groups").
 */
export interface QuantizerGroup {
  /** The group's id: the name of its first weighted op, or of its first op where none has weights. */
  readonly id: string;
  /** Keys (names of the first outputs) of the ops that read the group's activations. */
  readonly ops: readonly string[];
  readonly activations: readonly string[];
  readonly weights: readonly string[];
}

/**
 * Everything of a model that can be quantized: its ops, the quantizers of their tensors, and the groups of ops
 * that are switched together.
 */
export interface QuantizerLayout {
  readonly ops: ReadonlyMap<string, QuantizableOp>;
  readonly activations: ReadonlyMap<string, ActivationQuantizer>;
  readonly weights: ReadonlyMap<string, WeightQuantizer>;
  readonly groups: ReadonlyMap<string, QuantizerGroup>;
  /** Ids of activation quantizers, by the name of each of their tensors. */
  readonly quantizerOf: ReadonlyMap<string, string>;
  /** Ids of groups, by the id of each of their activation quantizers. */
  readonly groupOf: ReadonlyMap<string, string>;
  readonly unquantizable: readonly UnquantizableOp[];
}

/** Places quantizers in a model and groups them (docs/reference/algorithms.md, "Placement"). */
export function layOutQuantizers(view: OperandView): QuantizerLayout {
  const found = findQuantizableOps(view);
  const kept = withFusedSums(keepUsefulFollowers(found.ops, view), view);
  const ops = new Map(kept.map((op) => [op.key, op]));
  const activations = activationQuantizers(ops, view);
  const quantizerOf = new Map<string, string>();
  for (const { id, tensors } of activations.values()) {
    for (const tensor of tensors) quantizerOf.set(tensor, id);
  }
  const weights = weightQuantizers(ops);
  const { groups, groupOf } = quantizerGroups(ops, activations, weights, quantizerOf);
  return { ops, activations, weights, groups, quantizerOf, groupOf, unquantizable: found.unquantizable };
}

function activationQuantizers(
  ops: ReadonlyMap<string, QuantizableOp>,
  view: OperandView,
): Map<string, ActivationQuantizer> {
  const sets = new DisjointSets();
  for (const op of ops.values()) {
    const inputs = op.activations.map((i) => op.node.input[i]!);
    for (const tensor of inputs) sets.add(tensor);
    if (op.kernel === "integer output") sets.add(op.output);
    switch (view.hardware.operation(op.node.opType)?.unified) {
      case "inputs":
        for (const tensor of inputs) sets.union(inputs[0]!, tensor);
        break;
      case "inputs and output":
        for (const tensor of inputs) sets.union(op.output, tensor);
        break;
      case undefined:
    }
  }
  joinAcrossAgnosticOps(sets, ops, view);
  return new Map(
    [...sets.sets().values()].map((tensors) => {
      const members = new Set(tensors);
      const made = new Set(tensors.filter((tensor) => isMadeFromMember(tensor, members, ops, view)));
      const sources = tensors
        .filter((tensor) => !made.has(tensor))
        .flatMap((tensor) => pickedFrom(tensor, members, ops, view) ?? [tensor]);
      const id = sources[0]!;
      const channels = activationChannels(tensors, made, readersOf(members, ops.values()), view);
      const masks = sources.flatMap((tensor) => maskValues(tensor, view));
      return [
        id,
        {
          id,
          sources,
          tensors,
          ...(masks.length === 0 ? {} : { masks }),
          ...(channels === undefined ? {} : { channels }),
        },
      ];
    }),
  );
}

/** The ops that read one of the tensors as a quantized activation. */
export function readersOf(tensors: ReadonlySet<string>, ops: Iterable<QuantizableOp>): QuantizableOp[] {
  return [...ops].filter((op) => op.activations.some((input) => tensors.has(op.node.input[input]!)));
}

/**
 * Joins the input of each agnostic op (one that passes codes on) to the set of its output, from the outputs
 * upwards through chains of such ops.
 */
function joinAcrossAgnosticOps(
  sets: DisjointSets,
  ops: ReadonlyMap<string, QuantizableOp>,
  view: OperandView,
): void {
  for (const node of [...view.index.nodes].reverse()) {
    if (view.hardware.operation(node.opType)?.role !== "agnostic" || ops.has(node.output[0] ?? "")) continue;
    const input = passThroughInput(node, view);
    if (input === undefined) continue;
    for (const output of node.output) {
      if (sets.has(output)) sets.union(input, output);
    }
  }
}

function isMadeFromMember(
  tensor: string,
  members: ReadonlySet<string>,
  ops: ReadonlyMap<string, QuantizableOp>,
  view: OperandView,
): boolean {
  const producer = view.index.producer(tensor);
  if (producer === undefined) return false;
  const op = ops.get(producer.output[0] ?? "");
  if (op !== undefined) {
    return (
      view.hardware.operation(producer.opType)?.unified === "inputs and output" &&
      op.activations.every((i) => members.has(producer.input[i]!))
    );
  }
  const input = passThroughInput(producer, view);
  return (
    input !== undefined && members.has(input) && view.hardware.operation(producer.opType)?.role === "agnostic"
  );
}

/**
 * The outputs of the maxima and minima (such as MaxPool) that read a tensor, if a float op produces it.
 *
 * @returns `undefined` where another quantized op reads the tensor's own values
 */
function pickedFrom(
  tensor: string,
  members: ReadonlySet<string>,
  ops: ReadonlyMap<string, QuantizableOp>,
  view: OperandView,
): string[] | undefined {
  const producer = view.index.producer(tensor);
  if (producer === undefined || ops.has(producer.output[0] ?? "")) return undefined;
  if (view.hardware.operation(producer.opType)?.role === "saturating") return undefined;
  return pickedBehind(tensor, members, ops, view);
}

function pickedBehind(
  tensor: string,
  members: ReadonlySet<string>,
  ops: ReadonlyMap<string, QuantizableOp>,
  view: OperandView,
): string[] | undefined {
  const picked: string[] = [];
  for (const { node, input } of view.index.consumers(tensor)) {
    const op = ops.get(node.output[0] ?? "");
    if (op?.activations.includes(input)) return undefined;
    if (passThroughInput(node, view) !== tensor) continue;
    for (const output of node.output.filter((name) => members.has(name))) {
      const found = picksByOrder(node) ? [output] : pickedBehind(output, members, ops, view);
      if (found === undefined) return undefined;
      picked.push(...found);
    }
  }
  return picked.length === 0 ? undefined : picked;
}

function weightQuantizers(ops: ReadonlyMap<string, QuantizableOp>): Map<string, WeightQuantizer> {
  const weights = new Map<string, WeightQuantizer>();
  for (const { key, weight } of ops.values()) {
    if (weight === undefined) continue;
    const { initializer: id, channelAxis, unifiedZeroPoint, inputLayout } = weight;
    const other = weights.get(id);
    weights.set(id, {
      id,
      ops: [...(other?.ops ?? []), key],
      channelAxis: other === undefined || other.channelAxis === channelAxis ? channelAxis : undefined,
      unifiedZeroPoint: unifiedZeroPoint || (other?.unifiedZeroPoint ?? false),
      inputLayout: other === undefined || other.inputLayout === inputLayout ? inputLayout : undefined,
    });
  }
  return weights;
}

function quantizerGroups(
  ops: ReadonlyMap<string, QuantizableOp>,
  activations: ReadonlyMap<string, ActivationQuantizer>,
  weights: ReadonlyMap<string, WeightQuantizer>,
  quantizerOf: ReadonlyMap<string, string>,
): { groups: Map<string, QuantizerGroup>; groupOf: Map<string, string> } {
  const inputsOf = (op: QuantizableOp): string[] =>
    op.activations.map((i) => quantizerOf.get(op.node.input[i]!)!);
  const sets = new DisjointSets();
  const read = new Set<string>();
  for (const op of ops.values()) {
    const inputs = inputsOf(op);
    for (const id of inputs) {
      sets.union(inputs[0]!, id);
      read.add(id);
    }
  }
  for (const op of ops.values()) {
    const output = quantizerOf.get(op.output);
    if (output !== undefined && op.kernel === "integer output" && !read.has(output)) {
      sets.union(inputsOf(op)[0]!, output);
    }
  }
  const groups = new Map<string, QuantizerGroup>();
  const groupOf = new Map<string, string>();
  for (const [root, members] of sets.sets()) {
    const readers = [...ops.values()].filter((op) => sets.find(inputsOf(op)[0]!) === root);
    const keys = new Set(readers.map(({ key }) => key));
    const id = (readers.find(({ role }) => role === "weighted") ?? readers[0])?.name ?? root;
    const unique = groups.has(id) ? `${id} (${root})` : id;
    for (const member of members) groupOf.set(member, unique);
    groups.set(unique, {
      id: unique,
      ops: [...keys],
      activations: members.filter((member) => activations.has(member)),
      weights: [...weights.values()].filter((weight) => keys.has(weight.ops[0]!)).map((weight) => weight.id),
    });
  }
  return { groups, groupOf };
}
