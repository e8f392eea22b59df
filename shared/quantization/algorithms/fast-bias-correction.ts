import { floatValues } from "../../onnx/model/tensor.js";
import {
  type ChannelStatistic,
  mergeRequirements,
  type StatisticsRequirement,
  statisticName,
} from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { dequantize } from "../arithmetic/affine.js";
import {
  type ConstantProduct,
  constantProduct,
  groupOfOutput,
  weightPosition,
} from "../graph/constant-products.js";
import type { QuantizerLayout } from "../graph/groups.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { inputMeans } from "../graph/input-means.js";
import { findQuantizableOps, type OperandView, type QuantizableOp } from "../graph/quantizable-ops.js";
import type { WeightCache } from "../rewrite/weight-cache.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";
import type { TensorPlan } from "../space/plan.js";
import { carriedError, dequantizedWeights, type InputErrors, inputErrorKey } from "./bias-correction.js";

export interface BiasCorrectionSettings {
  /** Whether errors of earlier ops are carried along: BiasCorrection instead of FastBiasCorrection. */
  readonly sequential: boolean;
  /** Largest shift of a channel, in standard deviations of its float output; a larger one leaves the op alone. */
  readonly threshold: number;
  /** Whether ops whose weights stay in float are corrected as well, of the errors that are carried along to them. */
  readonly everyNode?: boolean;
  readonly ignored: IgnoredScope;
}

/** Of an op in the float model, over all samples. */
interface Moments {
  readonly inputMeans: Float64Array;
  readonly outputDeviations: Float64Array;
}

/**
 * Takes the mean error that quantized weights cause out of the output, channel by channel (reference section 6.2): the
 * bias is raised by E[(W - Wq) x], so that for inputs in float the mean of the output is what it was.
 *
 * The reference feeds one op with a constant a channel, which forgets that the padding is zero. Here x is averaged for
 * each tap of the kernel over its positions, padding included: the op is linear, so that this is the exact mean, and
 * nothing needs to run. Inputs are the float model's: a correction depends on the op and how its weights are
 * quantized, and is kept from trial to trial.
 */
export class FastBiasCorrection {
  readonly #ops: ReadonlyMap<string, ConstantProduct>;
  readonly #shifts = new Map<string, Float32Array | undefined>();
  readonly #moments = new Map<string, Moments>();

  /** @param inputErrors of BiasCorrection, where the errors of earlier ops are to be corrected as well */
  constructor(
    private readonly layout: QuantizerLayout,
    private readonly view: OperandView,
    private readonly settings: BiasCorrectionSettings,
    private readonly statistics: StatisticsTable,
    private readonly weights: WeightCache,
    private readonly inputErrors: InputErrors = new Map(),
  ) {
    this.#ops = new Map(correctableOps(layout, view, settings).map((found) => [found.op.key, found]));
  }

  /**
   * What is added to the op's bias, a value an output channel; an op without a bias gets this one.
   * @param plan of its weights; `undefined` where they stay in float
   * @returns `undefined` where the op cannot be corrected, or would be by more than the threshold
   */
  shift(key: string, plan: TensorPlan | undefined): Float32Array | undefined {
    const found = this.#ops.get(key);
    if (found === undefined) return undefined;
    const choice = `${key} ${plan === undefined ? "float" : JSON.stringify(plan)}`;
    if (!this.#shifts.has(choice)) this.#shifts.set(choice, this.#guarded(found, plan));
    return this.#shifts.get(choice);
  }

  /** What can be corrected where its weights stay in float, too. */
  inFloat(quantized: ReadonlySet<string>): string[] {
    if (!this.settings.sequential || this.settings.everyNode !== true) return [];
    return [...this.#ops.keys()].filter((key) => !quantized.has(key));
  }

  #guarded(found: ConstantProduct, plan: TensorPlan | undefined): Float32Array | undefined {
    const float = floatValues(this.view.index.initializers.get(found.weight)!);
    const codes = plan && this.weights.get(this.layout.weights.get(found.weight)!, plan);
    const { inputMeans, outputDeviations } = this.#momentsOf(found);
    const own =
      codes === undefined ? new Float32Array(found.outputs) : meanError(found, float, codes, inputMeans);
    const errors = this.inputErrors.get(inputErrorKey(found));
    const carried =
      errors && carriedError(found, codes === undefined ? float : dequantizedWeights(found, codes), errors);
    const shift = carried === undefined ? own : own.map((value, output) => value - carried[output]!);
    if (codes === undefined && shift.every((value) => value === 0)) return undefined;
    return largestShift(shift, outputDeviations) < this.settings.threshold ? shift : undefined;
  }

  #momentsOf(found: ConstantProduct): Moments {
    const { op, input } = found;
    let moments = this.#moments.get(op.key);
    if (moments === undefined) {
      moments = {
        inputMeans: this.statistics.channels(input, inputMeans(found), "mean"),
        outputDeviations: outputDeviations(found, this.statistics),
      };
      this.#moments.set(op.key, moments);
    }
    return moments;
  }
}

/** The means and variances that corrections follow from. */
export function biasStatistics(
  layout: QuantizerLayout,
  view: OperandView,
  settings: BiasCorrectionSettings,
): StatisticsRequirement {
  return correctableOps(layout, view, settings).reduce<StatisticsRequirement>(
    (all, found) =>
      [
        new Map([[found.input, [inputMeans(found)]]]),
        new Map([[found.op.key, [outputMeans(found.outputAxis), outputVariances(found.outputAxis)]]]),
      ].reduce(mergeRequirements, all),
    new Map(),
  );
}

const outputMeans = (axis: number): ChannelStatistic => ({ type: "channel_mean", axis });
const outputVariances = (axis: number): ChannelStatistic => ({ type: "channel_variance", axis });

/** In topological order. */
export function correctableOps(
  layout: QuantizerLayout,
  view: OperandView,
  { ignored, sequential, everyNode }: BiasCorrectionSettings,
): ConstantProduct[] {
  const ops = sequential && everyNode === true ? weightedOps(layout, view) : [...layout.ops.values()];
  return ops.filter(({ node }) => !isIgnored(node, ignored)).flatMap((op) => constantProduct(op, view) ?? []);
}

/** Those included that the ignored scope and patterns leave in float. */
function weightedOps(layout: QuantizerLayout, view: OperandView): QuantizableOp[] {
  return findQuantizableOps({ ...view, inFloat: new Map() })
    .ops.filter(({ role }) => role === "weighted")
    .map((op) => layout.ops.get(op.key) ?? op);
}

/** E[(W - Wq) x] of each output, in double precision. */
export function meanError(
  product: Pick<ConstantProduct, "outputs" | "terms" | "groups" | "outputsFirst">,
  weights: Float32Array,
  { codes, channels }: WeightCodes,
  inputMeans: Float64Array,
): Float32Array {
  const { outputs, terms } = product;
  return Float32Array.from({ length: outputs }, (_, output) => {
    const affine = channels[channels.length === 1 ? 0 : output]!;
    const start = groupOfOutput(product, output) * terms;
    let error = 0;
    for (let term = 0; term < terms; term++) {
      const at = weightPosition(product, output, term);
      error += (weights[at]! - dequantize(codes[at]!, affine)) * inputMeans[start + term]!;
    }
    return error;
  });
}

/** Standard deviation of each channel of the float output over all samples and positions. */
function outputDeviations({ op, outputAxis }: ConstantProduct, statistics: StatisticsTable): Float64Array {
  const within = statistics.channels(op.key, outputVariances(outputAxis), "mean");
  const centres = statistics.channels(op.key, outputMeans(outputAxis), "mean");
  const means = statistics.column(op.key, statisticName(outputMeans(outputAxis)));
  return within.map((variance, channel) => {
    let between = 0;
    for (let sample = 0; sample < statistics.samples; sample++) {
      between += (means[sample * centres.length + channel]! - centres[channel]!) ** 2;
    }
    return Math.sqrt(variance + between / statistics.samples);
  });
}

/** In deviations; a channel that never varies has no measure of its own and is not asked. */
function largestShift(shift: Float32Array, deviations: Float64Array): number {
  return shift.reduce(
    (largest, value, channel) =>
      deviations[channel]! > 0 ? Math.max(largest, Math.abs(value) / deviations[channel]!) : largest,
    0,
  );
}
