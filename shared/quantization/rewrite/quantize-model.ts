import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import {
  activationPair,
  dequantizedConstant,
  INSERTED_NAMES,
  type Insertion,
} from "../../onnx/graph/qdq-nodes.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { NewNames } from "../../onnx/model/new-names.js";
import { DataType, dimensions, floatValues, makeTensor } from "../../onnx/model/tensor.js";
import { type Affine, representableRange } from "../arithmetic/affine.js";
import type { Range } from "../arithmetic/range.js";
import { activationCodeType, weightCodeType } from "../device/code-types.js";
import { widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import { ACTIVATION_CHANNEL_AXIS } from "../graph/activation-channels.js";
import type { QuantizerLayout } from "../graph/groups.js";
import { paddingValue } from "../graph/order-readers.js";
import { clipBounds, type OperandView, type QuantizableOp } from "../graph/quantizable-ops.js";
import type { QuantizationPlan, TensorPlan } from "../space/plan.js";
import { addBehind, type BiasShifts, findAddedBias, shifted } from "./bias-addition.js";
import { exactBias, quantizeBias, smallestWeightScales } from "./bias-codes.js";
import { type Boundaries, findBoundaries, onlyDequantizedReaders } from "./boundaries.js";
import { clipCodes, spellOutSaturation } from "./clip-placement.js";
import { simulationReason } from "./kernel-support.js";
import { addsBias, asSum, fusibleAdd } from "./matmul-add-fusion.js";
import type { WeightCache } from "./weight-cache.js";
import type { WeightCodes } from "./weight-codes.js";

/** Relative slack within which a range's end counts as a Clip's bound: float32 rounding of the scale. */
const BOUND_SLACK = 1e-6;

const UNBOUNDED = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** Which of a Pad's inputs holds what it pads with. */
const PADDING_VALUE = 2;

/** Between signed and unsigned codes of the same values. */
const UNSIGNED_OFFSET = 128;

/**
 * Writes a plan into the model as QuantizeLinear and DequantizeLinear nodes, in the form that ONNX Runtime fuses into
 * integer kernels (docs/quantization.md, "What fuses"). The given model is left as it was; tensors that do not change
 * are shared with it.
 *
 * @param scales scale and zero point of every activation quantizer in the plan, by id: one in all or one a channel
 * @param shifts what is added to biases, by the ops' keys
 */
export function quantizeModel(
  model: Model,
  view: OperandView,
  layout: QuantizerLayout,
  plan: QuantizationPlan,
  scales: ReadonlyMap<string, readonly Affine[]>,
  weights: WeightCache,
  shifts: BiasShifts = new Map(),
): Model {
  return new Rewriter(model, view, layout, plan, scales, weights, shifts).rewrite();
}

class Rewriter {
  readonly #boundaries: Boundaries;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  /** What quantized readers of a tensor read instead. */
  readonly #dequantized = new Map<string, string>();
  /** New names of tensors whose own name now belongs to their dequantized values. */
  readonly #renamed = new Map<string, string>();
  readonly #dropped = new Set<NodeProto>();
  /** Relu and Clip nodes that stand apart from the product before them. */
  readonly #apart = new Set<NodeProto>();
  /** Adds that are written as Sums. */
  readonly #sums = new Set<NodeProto>();
  readonly #constants = new Map<string, string>();
  /** Corrected biases that stand in the Add behind a product. */
  readonly #addedBiases = new Map<NodeProto, { readonly input: number; readonly name: string }>();
  readonly #names: NewNames;

  constructor(
    private readonly model: Model,
    private readonly view: OperandView,
    private readonly layout: QuantizerLayout,
    private readonly plan: QuantizationPlan,
    private readonly scales: ReadonlyMap<string, readonly Affine[]>,
    private readonly weights: WeightCache,
    private readonly shifts: BiasShifts,
  ) {
    this.#boundaries = findBoundaries(layout, plan, view);
    this.#names = new NewNames(view.index.names);
  }

  rewrite(): Model {
    for (const input of this.view.index.inputs) this.#quantizeTensor(input, input);
    for (const node of this.view.index.nodes) this.#rewriteNode(node);
    const { graph } = this.model;
    const used = new Set([
      ...this.#nodes.flatMap(({ input }) => input),
      ...this.view.index.captured,
      ...this.view.index.outputs,
    ]);
    const kept = graph.initializer.filter(({ name }) => used.has(name));
    return edited(this.model, {
      graph: edited(graph, {
        node: this.#nodes,
        initializer: [...kept, ...this.#initializers],
        valueInfo: [],
        quantizationAnnotation: [],
      }),
    });
  }

  #rewriteNode(node: NodeProto): void {
    if (this.#dropped.has(node)) return;
    const op = this.layout.ops.get(node.output[0] ?? "");
    const quantizedOp = op !== undefined && this.plan.ops.has(op.key) ? op : undefined;
    const addedBias = this.#addedBiases.get(node);
    const padding = this.#paddingWithinRange(node);
    const input = node.input.map((tensor, i) => {
      if (addedBias?.input === i) return addedBias.name;
      if (padding !== undefined && i === PADDING_VALUE) return padding;
      return this.#boundaries.readsDequantized(node, i)
        ? this.#dequantized.get(tensor)!
        : (this.#renamed.get(tensor) ?? tensor);
    });
    if (quantizedOp !== undefined) this.#quantizeConstants(quantizedOp, input);
    else this.#correctFloatBias(node, input);
    const output = node.output.map((tensor) => this.#outputName(tensor));
    const rewritten = edited(node, { input, output });
    if (this.#sums.has(node)) this.#nodes.push(asSum(rewritten));
    else if (this.#apart.has(node)) {
      this.#insert(spellOutSaturation(rewritten, input[0]!, this.#boundsOf(node), this.#names));
    } else {
      this.#nodes.push(...this.#withAddedShift(rewritten, node));
    }
    if (quantizedOp !== undefined && !this.#isSimulated(quantizedOp)) this.#separateSum(node);
    const saturating = quantizedOp?.saturating;
    if (quantizedOp === undefined || saturating === undefined) {
      node.output.forEach((tensor, i) => {
        this.#quantizeTensor(tensor, output[i]!);
      });
    } else if (this.#replacesSaturation(quantizedOp, saturating)) {
      this.#dropped.add(saturating);
      this.#quantizeTensor(quantizedOp.output, output[0]!, saturating);
    } else if (!this.#isSimulated(quantizedOp)) {
      this.#apart.add(saturating);
    }
  }

  /** The nearest value that codes have to what a Pad of dequantized values pads with, where that is another. */
  #paddingWithinRange(node: NodeProto): string | undefined {
    if (node.opType !== "Pad" || !this.#boundaries.readsDequantized(node, 0)) return undefined;
    const value = paddingValue(node, this.view);
    const [tensor = "", output = ""] = [node.input[0], node.output[0]];
    if (value === undefined || !this.#boundaries.quantized.has(output)) return undefined;
    if (this.layout.quantizerOf.get(tensor) !== this.layout.quantizerOf.get(output)) return undefined;
    const ranges = this.#rangesOf(output);
    const low = Math.min(...ranges.map((range) => range.low));
    const high = Math.max(...ranges.map((range) => range.high));
    if (value >= low && value <= high) return undefined;
    const name = this.#names.name(`${output}/padding`);
    const nearest = Math.min(high, Math.max(low, value));
    this.#initializers.push(makeTensor(name, DataType.FLOAT, [], Float32Array.of(nearest)));
    return name;
  }

  /** Keeps an Add behind an integer product from making it a Gemm in float. */
  #separateSum(product: NodeProto): void {
    const added = fusibleAdd(product, this.view);
    if (added === undefined || this.#boundaries.quantized.has(product.output[0]!)) return;
    const isCodes = this.#boundaries.integerOnly.has(added.add.output[0]!);
    const isQuantized = this.#boundaries.quantized.has(added.add.output[0]!);
    if (isCodes || (isQuantized && addsBias(added, this.view))) return;
    this.#sums.add(added.add);
  }

  /** Whether the codes of an op's output do the work of the Relu or Clip behind it, which then goes. */
  #replacesSaturation(op: QuantizableOp, saturating: NodeProto): boolean {
    if (op.kernel !== "integer output") return this.#saturates(op, saturating);
    // Between kernels the codes can be clipped, which ONNX Runtime does with 8 bits only.
    return !this.#isSimulated(op) || this.#isWithinBounds(op.output, saturating);
  }

  #isSimulated(op: QuantizableOp): boolean {
    return simulationReason(op, this.layout, this.plan) !== undefined;
  }

  /** A MatMul has no bias of its own: what is added to it goes into the Add behind it, or is added apart. */
  #withAddedShift(product: NodeProto, { opType, output: [key = ""] }: NodeProto): NodeProto[] {
    const shift = opType === "MatMul" ? this.shifts.get(key) : undefined;
    if (shift === undefined) return [product];
    const added = findAddedBias(key, shift.length, this.view.index);
    if (added === undefined) {
      const output = product.output[0]!;
      const inner = this.#names.name(`${output}/product`);
      const { nodes, initializers } = addBehind(inner, output, shift, this.#names);
      this.#initializers.push(...initializers);
      return [edited(product, { output: [inner] }), ...nodes];
    }
    const constant = added.add.input[added.input]!;
    const name = this.#names.name(`${constant}/corrected`);
    this.#initializers.push(shifted(this.view.index.initializers.get(constant)!, shift, name));
    this.#addedBiases.set(added.add, { input: added.input, name });
    return [product];
  }

  /** The bias of an op whose weights stay in float (`apply_for_all_nodes`); an op that had none gets one. */
  #correctFloatBias({ opType, output: [key = ""] }: NodeProto, input: string[]): void {
    const shift = opType === "MatMul" ? undefined : this.shifts.get(key);
    if (shift === undefined) return;
    const name = this.#names.name(`${key}/bias/corrected`);
    const bias = this.view.index.initializers.get(input[2] ?? "");
    this.#initializers.push(
      bias === undefined
        ? makeTensor(name, DataType.FLOAT, [shift.length], shift)
        : shifted(bias, shift, name),
    );
    input[2] = name;
  }

  /** Where only the dequantized values may be seen from outside, they take over the tensor's name. */
  #outputName(tensor: string): string {
    if (!this.#boundaries.integerOnly.has(tensor) || !this.view.index.isVisibleOutside(tensor)) return tensor;
    const name = this.#names.name(`${tensor}/float`);
    this.#renamed.set(tensor, name);
    return name;
  }

  /** @param saturating a Relu or Clip in between, whose work is done on the codes */
  #quantizeTensor(tensor: string, source: string, saturating?: NodeProto): void {
    if (!this.#boundaries.quantized.has(tensor)) return;
    const affines = this.#affinesOf(tensor);
    const takesName = this.#boundaries.integerOnly.has(tensor) && this.view.index.isVisibleOutside(tensor);
    const prefix = this.#names.prefix(tensor, INSERTED_NAMES);
    const { bits } = this.#planOf(tensor);
    const dataType = activationCodeType(bits);
    const levels = levelsOf(widthOf(this.#planOf(tensor)));
    const input = bits > 8 && levels < 2 ** bits ? this.#clipped(tensor, source) : source;
    const codes = {
      dataType,
      scales: Float32Array.from(affines, ({ scale }) => scale),
      zeroPoints: affines.map(({ zeroPoint }) => zeroPoint),
      axis: this.#isPerChannel(tensor) ? ACTIVATION_CHANNEL_AXIS : undefined,
    };
    const pair = activationPair(prefix, codes, input, takesName ? tensor : undefined);
    const cut =
      saturating !== undefined && !this.#isWithinBounds(tensor, saturating) ? saturating : undefined;
    if (cut !== undefined || (bits <= 8 && levels < 2 ** 8)) {
      const clip = cut ?? create(NodeProtoSchema, { name: this.#names.name(`${tensor}/Clip`) });
      const bounds = cut === undefined ? UNBOUNDED : this.#boundsOf(cut);
      this.#insert(clipCodes(pair, clip, bounds, affines[0]!, this.#names, levels));
    } else this.#insert(pair);
    this.#dequantized.set(tensor, pair.output);
  }

  /** The tensor cut to its quantizer's range in float, as ONNX Runtime clips no 16-bit codes. */
  #clipped(tensor: string, source: string): string {
    const name = this.#names.name(`${tensor}/Clip`);
    const clip = create(NodeProtoSchema, { name, output: [name] });
    const ranges = this.#rangesOf(tensor);
    const bounds = {
      low: Float32Array.from(ranges, ({ low }) => low),
      high: Float32Array.from(ranges, ({ high }) => high),
    };
    const behind = this.view.tensors.get(tensor)!.shape.length - 1 - ACTIVATION_CHANNEL_AXIS;
    const dims = this.#isPerChannel(tensor) ? [ranges.length, ...new Array<number>(behind).fill(1)] : [];
    this.#insert(spellOutSaturation(clip, source, bounds, this.#names, dims));
    return name;
  }

  /** Whether nobody misses a Relu or Clip behind an op: everybody reads codes that cut off at least as much. */
  #saturates(op: QuantizableOp, saturating: NodeProto): boolean {
    return (
      onlyDequantizedReaders(op, this.#boundaries, this.view) && this.#isWithinBounds(op.output, saturating)
    );
  }

  #isWithinBounds(tensor: string, saturating: NodeProto): boolean {
    const bounds = this.#boundsOf(saturating);
    return this.#rangesOf(tensor).every(({ low, high }) => {
      const slack = BOUND_SLACK * (high - low);
      return low >= bounds.low - slack && high <= bounds.high + slack;
    });
  }

  #rangesOf(tensor: string): Range[] {
    const width = widthOf(this.#planOf(tensor));
    return this.#affinesOf(tensor).map((affine) => representableRange(affine, width));
  }

  #boundsOf(saturating: NodeProto): { readonly low: number; readonly high: number } {
    return clipBounds(saturating, this.view.index)!;
  }

  #isPerChannel(tensor: string): boolean {
    return this.#planOf(tensor).granularity === "perchannel";
  }

  #affinesOf(tensor: string): readonly Affine[] {
    return this.scales.get(this.layout.quantizerOf.get(tensor)!)!;
  }

  #planOf(tensor: string): TensorPlan {
    return this.plan.activations.get(this.layout.quantizerOf.get(tensor)!)!;
  }

  #quantizeConstants(op: QuantizableOp, input: string[]): void {
    const { weight } = op;
    if (weight === undefined) return;
    const bias = this.#biasOf(op);
    const simulated = this.#isSimulated(op);
    const biasValues = simulated ? undefined : bias;
    // Integer kernels take one scale of their input; where an op is simulated nothing follows from it.
    const inputScale = this.#affinesOf(op.node.input[op.activations[0]!]!)[0]!.scale;
    const codes = this.#weightCodes(weight.initializer, inputScale, biasValues);
    // ONNX Runtime fuses a left operand of the activations' type only.
    const isUnsigned = this.plan.weights.get(weight.initializer)!.codes === "uint8";
    const unsigned = isUnsigned || (weight.input === 0 && !simulated);
    input[weight.input] = this.#weight(weight.initializer, unsigned ? withUnsignedCodes(codes) : codes);
    if (biasValues === undefined) {
      if (bias !== undefined) input[2] = this.#exactBias(op, bias);
      return;
    }
    const weightScales = codes.channels.map(({ scale }) => scale);
    const quantized = quantizeBias(biasValues, inputScale, weightScales);
    const perChannel = quantized.scales.length > 1;
    const insertion = dequantizedConstant(this.#names.prefix(`${op.key}/bias`, INSERTED_NAMES), {
      dataType: DataType.INT32,
      dims: [biasValues.length],
      codes: quantized.codes,
      scales: quantized.scales,
      zeroPoints: new Int32Array(quantized.scales.length),
      axis: perChannel ? 0 : undefined,
    });
    this.#insert(insertion);
    input[2] = insertion.output;
  }

  /** The bias of an op that takes one, with what is added to it; an op that had none gets this alone. */
  #biasOf({ key, node, bias }: QuantizableOp): Float32Array | undefined {
    const shift = node.opType === "MatMul" ? undefined : this.shifts.get(key);
    const values = bias === undefined ? undefined : floatValues(this.view.index.initializers.get(bias)!);
    return shift === undefined ? values : shift.map((added, channel) => added + (values?.[channel] ?? 0));
  }

  #exactBias({ key }: QuantizableOp, values: Float32Array): string {
    const { codes, scale } = exactBias(values);
    const insertion = dequantizedConstant(this.#names.prefix(`${key}/bias`, INSERTED_NAMES), {
      dataType: DataType.INT32,
      dims: [values.length],
      codes,
      scales: Float32Array.of(scale),
      zeroPoints: [0],
      axis: undefined,
    });
    this.#insert(insertion);
    return insertion.output;
  }

  #weightCodes(initializer: string, inputScale: number, bias: Float32Array | undefined): WeightCodes {
    const plan = this.plan.weights.get(initializer)!;
    const quantizer = this.layout.weights.get(initializer)!;
    const cached = this.weights.get(quantizer, plan);
    if (bias === undefined) return cached;
    const smallest = smallestWeightScales(bias, inputScale);
    const needed = cached.channels.length === 1 ? [Math.max(...smallest)] : smallest;
    const fits = cached.channels.every(({ scale }, c) => scale >= needed[c]!);
    return fits ? cached : this.weights.make(quantizer, plan, needed);
  }

  /** One DequantizeLinear for a constant, unless its ops need different scales. */
  #weight(initializer: string, { codes, channels }: WeightCodes): string {
    const scales = Float32Array.from(channels, ({ scale }) => scale);
    const { bits, granularity } = this.plan.weights.get(initializer)!;
    const signed = !(codes instanceof Uint8Array);
    const signature = `${initializer} ${signed} ${scales.join(" ")}`;
    const known = this.#constants.get(signature);
    if (known !== undefined) return known;
    const axis = this.layout.weights.get(initializer)!.channelAxis;
    const zeroPoints = channels.map(({ zeroPoint }) => zeroPoint);
    const insertion = dequantizedConstant(this.#names.prefix(initializer, INSERTED_NAMES), {
      dataType: signed ? weightCodeType(bits) : DataType.UINT8,
      dims: dimensions(this.view.index.initializers.get(initializer)!),
      codes,
      scales,
      zeroPoints,
      axis: channels.length === 1 && granularity === "pertensor" ? undefined : axis,
    });
    this.#insert(insertion);
    this.#constants.set(signature, insertion.output);
    return insertion.output;
  }

  #insert({ nodes, initializers }: Pick<Insertion, "nodes" | "initializers">): void {
    this.#nodes.push(...nodes);
    this.#initializers.push(...initializers);
  }
}

/** The same values as unsigned codes. */
function withUnsignedCodes({ codes, channels }: WeightCodes): WeightCodes {
  if (codes instanceof Uint8Array) return { codes, channels };
  return {
    codes: Uint8Array.from(codes, (code) => code + UNSIGNED_OFFSET),
    channels: channels.map(({ scale, zeroPoint }) => ({ scale, zeroPoint: zeroPoint + UNSIGNED_OFFSET })),
  };
}
