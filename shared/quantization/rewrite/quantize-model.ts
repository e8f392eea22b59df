import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "onnx-buf";
import {
  activationPair,
  dequantizedConstant,
  INSERTED_NAMES,
  type Insertion,
  type QuantizedConstant,
} from "../../onnx/graph/qdq-nodes.js";
import { QuantizationParameters } from "../../onnx/graph/quantization-parameters.js";
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
import { addAfter, type BiasShifts, findAddedBias, shifted } from "./bias-addition.js";
import { exactBias, quantizeBias, smallestWeightScales } from "./bias-codes.js";
import { type Boundaries, findBoundaries, onlyDequantizedReaders } from "./boundaries.js";
import { clipAsMinMax, clipCodes } from "./clip-placement.js";
import { KERNEL_BITS, simulationReason } from "./kernel-support.js";
import { addsBias, asSum, fusibleAdd } from "./matmul-add-fusion.js";
import type { WeightCache } from "./weight-cache.js";
import type { WeightCodes } from "./weight-codes.js";

/**
 * Slack, as a share of the range's width, within which a range's end counts as a Clip's bound: float32 rounding
 * of the scale.
 */
const BOUND_SLACK = 1e-6;

const UNBOUNDED = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/** Index of a Pad's input that is the padding value. */
const PADDING_VALUE = 2;

/**
 * Op types whose weights are written without zero points where all of these are 0. Without zero points ONNX
 * Runtime 1.30 has no integer kernel for a Gemm, nor for a MatMul that it fuses to a Gemm, so those keep them.
 */
const READ_WITHOUT_ZERO_POINT: ReadonlySet<string> = new Set(["Conv", "ConvTranspose"]);

/** Difference between the unsigned and the signed 8-bit code of the same value. */
const UNSIGNED_OFFSET = 128;

/**
 * Returns the float model with a plan's QuantizeLinear and DequantizeLinear nodes, in the form that ONNX
 * Runtime fuses to integer kernels (docs/reference/onnx-runtime.md, "Fusions"). The given model is not changed;
 * unchanged tensors are shared with it.
 *
 * @param scales scale and zero point of every activation quantizer of the plan, by id: one, or one per channel
 * @param shifts values to be added to biases, by the ops' keys
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
  /** For each quantized tensor, the name of the tensor of its dequantized values. */
  readonly #dequantized = new Map<string, string>();
  /** New names of float tensors whose original name is used for their dequantized values. */
  readonly #renamed = new Map<string, string>();
  readonly #dropped = new Set<NodeProto>();
  /** Relu and Clip nodes that are written as Max and Min. */
  readonly #minMaxClips = new Set<NodeProto>();
  /** Add nodes that are written as Sums, which ONNX Runtime does not fuse with the product before them. */
  readonly #sums = new Set<NodeProto>();
  readonly #constants = new Map<string, string>();
  /**
   * For each Add after a product, the name of the corrected bias constant that it adds, and the index of that
   * input.
   */
  readonly #addedBiases = new Map<NodeProto, { readonly input: number; readonly name: string }>();
  readonly #names: NewNames;
  readonly #parameters: QuantizationParameters;

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
    this.#parameters = new QuantizationParameters(this.#names);
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
    else if (this.#minMaxClips.has(node)) {
      this.#insert(clipAsMinMax(rewritten, input[0]!, this.#boundsOf(node), this.#names));
    } else {
      this.#nodes.push(...this.#withAddedShift(rewritten, node));
    }
    if (quantizedOp !== undefined && !this.#isSimulated(quantizedOp)) this.#separateSum(node);
    const clip = quantizedOp?.clip;
    if (quantizedOp === undefined || clip === undefined) {
      node.output.forEach((tensor, i) => {
        this.#quantizeTensor(tensor, output[i]!);
      });
    } else if (this.#replacesClip(quantizedOp, clip)) {
      this.#dropped.add(clip);
      this.#quantizeTensor(quantizedOp.output, output[0]!, clip);
    } else if (!this.#isSimulated(quantizedOp)) {
      this.#minMaxClips.add(clip);
    }
  }

  /**
   * Name of a new constant with a Pad's padding value clipped to the range of the codes; `undefined` if it is
   * within the range.
   */
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

  /** Prevents that ONNX Runtime fuses an integer product and the Add after it to a Gemm in float. */
  #separateSum(product: NodeProto): void {
    const added = fusibleAdd(product, this.view);
    if (added === undefined || this.#boundaries.quantized.has(product.output[0]!)) return;
    const isCodes = this.#boundaries.integerOnly.has(added.add.output[0]!);
    const isQuantized = this.#boundaries.quantized.has(added.add.output[0]!);
    if (isCodes || (isQuantized && addsBias(added, this.view))) return;
    this.#sums.add(added.add);
  }

  /**
   * Whether the Relu or Clip after an op is removed, because the codes of the op's output are clipped
   * instead.
   */
  #replacesClip(op: QuantizableOp, clip: NodeProto): boolean {
    if (op.kernel !== "integer output") return this.#isClipRedundant(op, clip);
    // Integer kernels allow a Clip of their 8-bit codes; simulated ops may have 16-bit codes, which cannot be
    // clipped.
    return !this.#isSimulated(op) || this.#isWithinBounds(op.output, clip);
  }

  #isSimulated(op: QuantizableOp): boolean {
    return simulationReason(op, this.layout, this.plan) !== undefined;
  }

  /**
   * Adds the bias correction's shift to a MatMul, which has no bias input: in the Add after it, or as a new
   * node.
   */
  #withAddedShift(product: NodeProto, { opType, output: [key = ""] }: NodeProto): NodeProto[] {
    const shift = opType === "MatMul" ? this.shifts.get(key) : undefined;
    if (shift === undefined) return [product];
    const added = findAddedBias(key, shift.length, this.view.index);
    if (added === undefined) {
      const output = product.output[0]!;
      const inner = this.#names.name(`${output}/product`);
      const { nodes, initializers } = addAfter(inner, output, shift, this.#names);
      this.#initializers.push(...initializers);
      return [edited(product, { output: [inner] }), ...nodes];
    }
    const constant = added.add.input[added.input]!;
    const name = this.#names.name(`${constant}/corrected`);
    this.#initializers.push(shifted(this.view.index.initializers.get(constant)!, shift, name));
    this.#addedBiases.set(added.add, { input: added.input, name });
    return [product];
  }

  /** Corrects the bias of an op left in float (`apply_for_all_nodes`), adding one where it has none. */
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

  /**
   * The name of a node's output in the rewritten model; a new one where the dequantized values take the name
   * because it is visible outside.
   */
  #outputName(tensor: string): string {
    if (!this.#boundaries.integerOnly.has(tensor) || !this.view.index.isVisibleOutside(tensor)) return tensor;
    const name = this.#names.name(`${tensor}/float`);
    this.#renamed.set(tensor, name);
    return name;
  }

  /**
   * Inserts the QuantizeLinear and DequantizeLinear of a tensor.
   *
   * @param source name of the float values to quantize
   * @param clip a Relu or Clip before the tensor that is applied to the codes instead
   */
  #quantizeTensor(tensor: string, source: string, clip?: NodeProto): void {
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
    const pair = activationPair(prefix, codes, this.#parameters, input, takesName ? tensor : undefined);
    const needed = clip !== undefined && !this.#isWithinBounds(tensor, clip) ? clip : undefined;
    if (needed !== undefined || (bits <= 8 && levels < 2 ** 8)) {
      const node = needed ?? create(NodeProtoSchema, { name: this.#names.name(`${tensor}/Clip`) });
      const bounds = needed === undefined ? UNBOUNDED : this.#boundsOf(needed);
      this.#insert(clipCodes(pair, node, bounds, affines[0]!, this.#names, levels));
    } else this.#insert(pair);
    this.#dequantized.set(tensor, pair.output);
  }

  /**
   * Clips a tensor to its quantizer's range in float, since ONNX Runtime cannot clip 16-bit codes; returns the
   * name of the result.
   */
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
    this.#insert(clipAsMinMax(clip, source, bounds, this.#names, dims));
    return name;
  }

  /**
   * Whether a Relu or Clip after an op is redundant: all readers get codes whose range lies within its
   * bounds.
   */
  #isClipRedundant(op: QuantizableOp, clip: NodeProto): boolean {
    return onlyDequantizedReaders(op, this.#boundaries, this.view) && this.#isWithinBounds(op.output, clip);
  }

  #isWithinBounds(tensor: string, clip: NodeProto): boolean {
    const bounds = this.#boundsOf(clip);
    return this.#rangesOf(tensor).every(({ low, high }) => {
      const slack = BOUND_SLACK * (high - low);
      return low >= bounds.low - slack && high <= bounds.high + slack;
    });
  }

  #rangesOf(tensor: string): Range[] {
    const width = widthOf(this.#planOf(tensor));
    return this.#affinesOf(tensor).map((affine) => representableRange(affine, width));
  }

  #boundsOf(clip: NodeProto): { readonly low: number; readonly high: number } {
    return clipBounds(clip, this.view.index)!;
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
    // Integer kernels have one input scale; for simulated ops, which may have several, the value is not used.
    const inputScale = this.#affinesOf(op.node.input[op.activations[0]!]!)[0]!.scale;
    const codes = this.#weightCodes(weight.initializer, inputScale, biasValues);
    // ONNX Runtime fuses a constant left operand only if its codes have the type of the activations.
    const isUnsigned = this.plan.weights.get(weight.initializer)!.codes === "uint8";
    const unsigned = isUnsigned || (weight.input === 0 && !simulated);
    input[weight.input] = this.#weight(
      weight.initializer,
      unsigned ? withUnsignedCodes(codes) : codes,
      READ_WITHOUT_ZERO_POINT.has(op.node.opType),
    );
    if (biasValues === undefined) {
      if (bias !== undefined) input[2] = this.#exactBias(op, bias);
      return;
    }
    const weightScales = codes.channels.map(({ scale }) => scale);
    const quantized = quantizeBias(biasValues, inputScale, weightScales);
    const perChannel = quantized.scales.length > 1;
    input[2] = this.#dequantizedConstant(biasName(op), {
      dataType: DataType.INT32,
      dims: [biasValues.length],
      codes: quantized.codes,
      scales: quantized.scales,
      zeroPoints: undefined,
      axis: perChannel ? 0 : undefined,
    });
  }

  /**
   * The values of an op's bias plus its shift; `undefined` where it has neither, and for MatMul, which has no
   * bias.
   */
  #biasOf({ key, node, bias }: QuantizableOp): Float32Array | undefined {
    const shift = node.opType === "MatMul" ? undefined : this.shifts.get(key);
    const values = bias === undefined ? undefined : floatValues(this.view.index.initializers.get(bias)!);
    return shift === undefined ? values : shift.map((added, channel) => added + (values?.[channel] ?? 0));
  }

  #exactBias(op: QuantizableOp, values: Float32Array): string {
    const { codes, scale } = exactBias(values);
    return this.#dequantizedConstant(biasName(op), {
      dataType: DataType.INT32,
      dims: [values.length],
      codes,
      scales: Float32Array.of(scale),
      zeroPoints: undefined,
      axis: undefined,
    });
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

  /**
   * Inserts the DequantizeLinear of a weight constant and returns the name of its output; one for all its ops,
   * unless they need different scales.
   */
  #weight(initializer: string, { codes, channels }: WeightCodes, withoutZeroPoint: boolean): string {
    const scales = Float32Array.from(channels, ({ scale }) => scale);
    const { bits, granularity } = this.plan.weights.get(initializer)!;
    const signed = !(codes instanceof Uint8Array);
    // With `session.x64quantprecision` ONNX Runtime gives 8-bit codes a scalar zero point where they have none, which a
    // DequantizeLinear with scales per channel refuses.
    const mayLackZeroPoint = withoutZeroPoint && (channels.length === 1 || bits !== KERNEL_BITS);
    const isCentred = mayLackZeroPoint && channels.every(({ zeroPoint }) => zeroPoint === 0);
    const signature = `${initializer} ${signed} ${isCentred} ${scales.join(" ")}`;
    const known = this.#constants.get(signature);
    if (known !== undefined) return known;
    const axis = this.layout.weights.get(initializer)!.channelAxis;
    const zeroPoints = isCentred ? undefined : channels.map(({ zeroPoint }) => zeroPoint);
    const output = this.#dequantizedConstant(initializer, {
      dataType: signed ? weightCodeType(bits) : DataType.UINT8,
      dims: dimensions(this.view.index.initializers.get(initializer)!),
      codes,
      scales,
      zeroPoints,
      axis: channels.length === 1 && granularity === "pertensor" ? undefined : axis,
    });
    this.#constants.set(signature, output);
    return output;
  }

  /** Inserts the DequantizeLinear of a constant and returns the name of its output. */
  #dequantizedConstant(name: string, constant: QuantizedConstant): string {
    const prefix = this.#names.prefix(name, INSERTED_NAMES);
    const insertion = dequantizedConstant(prefix, constant, this.#parameters);
    this.#insert(insertion);
    return insertion.output;
  }

  #insert({ nodes, initializers }: Pick<Insertion, "nodes" | "initializers">): void {
    this.#nodes.push(...nodes);
    this.#initializers.push(...initializers);
  }
}

/** Name of an op's bias; derived from its output's name where the model has none. */
function biasName({ key, bias = `${key}_bias` }: QuantizableOp): string {
  return bias;
}

/** The same quantized weights with unsigned 8-bit codes and zero points. */
function withUnsignedCodes({ codes, channels }: WeightCodes): WeightCodes {
  if (codes instanceof Uint8Array) return { codes, channels };
  return {
    codes: Uint8Array.from(codes, (code) => code + UNSIGNED_OFFSET),
    channels: channels.map(({ scale, zeroPoint }) => ({ scale, zeroPoint: zeroPoint + UNSIGNED_OFFSET })),
  };
}
