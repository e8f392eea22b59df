import { keptIn } from "../../basics/kept-in.js";
import { floatValues } from "../../onnx/model/tensor.js";
import {
  type ChannelStatistic,
  mergeRequirements,
  type StatisticsRequirement,
  statisticName,
} from "../../statistics/requirement.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { dequantize } from "../arithmetic/affine.js";
import { type ConstantProduct, groupOfOutput, weightPosition } from "../graph/constant-products.js";
import { inputMeans } from "../graph/input-means.js";
import type { WeightCache } from "../rewrite/weight-cache.js";
import type { WeightCodes } from "../rewrite/weight-codes.js";
import type { TensorPlan } from "../space/plan.js";
import {
  type Adjustment,
  type AlgorithmSettings,
  adjustingAlgorithm,
  type CalibratedModel,
  type LaidOutModel,
} from "./algorithm.js";
import { correctionParameters, ignoredScope } from "./algorithm-parameters.js";
import { carriedError, dequantizedWeights, inputErrorKey } from "./carried-errors.js";
import { correctableProducts } from "./correctable-products.js";

/** Default of the largest bias shift that is applied, in standard deviations of an op's output. */
const THRESHOLD = 2;

export interface BiasCorrectionSettings extends AlgorithmSettings {
  /** Whether the errors of earlier ops are corrected too: BiasCorrection instead of FastBiasCorrection. */
  readonly sequential: boolean;
  /**
   * Largest bias shift of a channel, in standard deviations of its float output; if a channel needs a larger
   * one, the op is not corrected.
   */
  readonly threshold: number;
  /** BiasCorrection only: whether ops whose weights stay in float are corrected for the errors of their inputs. */
  readonly everyNode?: boolean;
}

/**
 * The algorithm that removes, through the bias, the mean output error per channel that quantized weights cause
 * (docs/reference/algorithms.md, "Fast bias correction").
 */
export const fastBiasCorrection = adjustingAlgorithm({
  name: "FastBiasCorrection",
  settingsKey: "biasCorrection",
  stage: "shift",
  parameters: correctionParameters(THRESHOLD),
  tunedSetting: "threshold",
  settingsOf: ({ threshold, ignored }): BiasCorrectionSettings => ({
    sequential: false,
    threshold,
    ignored: ignoredScope(ignored),
  }),
  correctsMeanError: true,
  hasEffect: (model, settings) => correctableProducts(model, settings).length > 0,
  statistics: biasStatistics,
  adjust: (model, settings) => new MeanErrorCorrection(model, settings),
});

/**
 * The statistics that bias correction needs: means of the inputs, means and variances of the outputs of the
 * products that may be corrected.
 */
function biasStatistics(model: LaidOutModel, settings: BiasCorrectionSettings): StatisticsRequirement {
  return correctableProducts(model, settings)
    .flatMap((found) => [
      new Map([[found.input, [inputMeans(found)]]]),
      new Map([[found.op.key, [outputMeans(found.outputAxis), outputVariances(found.outputAxis)]]]),
    ])
    .reduce<StatisticsRequirement>(mergeRequirements, new Map());
}

const outputMeans = (axis: number): ChannelStatistic => ({ type: "channel_mean", axis });
const outputVariances = (axis: number): ChannelStatistic => ({ type: "channel_variance", axis });

/**
 * Means of an op's input terms and standard deviations of its output channels, in the float model over all
 * samples.
 */
interface Moments {
  readonly inputMeans: Float64Array;
  readonly outputDeviations: Float64Array;
}

/**
 * Corrects biases: raises each by E[(W - Wq) x], and with input errors lowers it by E[Wq (xq - x)], so that the
 * mean of the output is that of the float model (W weights, x inputs, q quantized).
 *
 * POT feeds each op with one constant per channel, which ignores that padding is zero. Here x is averaged per
 * tap of the kernel over the tap's positions, padding included: as the op is linear, that is the exact mean,
 * and no inference is needed. Without input errors a shift depends only on the op and on how its weights are
 * quantized, so that it is kept from trial to trial.
 */
class MeanErrorCorrection implements Adjustment {
  readonly #ops: ReadonlyMap<string, ConstantProduct>;
  readonly #shifts = new Map<string, Float32Array | undefined>();
  readonly #moments = new Map<string, Moments>();

  constructor(
    private readonly model: CalibratedModel,
    private readonly settings: BiasCorrectionSettings,
  ) {
    this.#ops = new Map(correctableProducts(model, settings).map((found) => [found.op.key, found]));
  }

  /**
   * @returns the values to add to the op's bias; `undefined` where the op cannot be corrected, or the shift
   *   would exceed the threshold
   */
  shift(op: string, plan: TensorPlan | undefined, weights: WeightCache): Float32Array | undefined {
    const found = this.#ops.get(op);
    if (found === undefined) return undefined;
    const choice = `${op} ${plan === undefined ? "float" : JSON.stringify(plan)}`;
    if (!this.#shifts.has(choice)) this.#shifts.set(choice, this.#withinThreshold(found, plan, weights));
    return this.#shifts.get(choice);
  }

  shiftedInFloat(quantized: ReadonlySet<string>): string[] {
    return this.settings.everyNode === true ? [...this.#ops.keys()].filter((key) => !quantized.has(key)) : [];
  }

  #withinThreshold(
    found: ConstantProduct,
    plan: TensorPlan | undefined,
    weights: WeightCache,
  ): Float32Array | undefined {
    const { view, layout, inputErrors } = this.model;
    const float = floatValues(view.index.initializers.get(found.weight)!);
    const codes = plan && weights.get(layout.weights.get(found.weight)!, plan);
    const { inputMeans, outputDeviations } = this.#momentsOf(found);
    const own =
      codes === undefined ? new Float32Array(found.outputs) : meanError(found, float, codes, inputMeans);
    const errors = inputErrors?.get(inputErrorKey(found));
    const carried =
      errors && carriedError(found, codes === undefined ? float : dequantizedWeights(found, codes), errors);
    const shift = carried === undefined ? own : own.map((value, output) => value - carried[output]!);
    if (codes === undefined && shift.every((value) => value === 0)) return undefined;
    return largestShift(shift, outputDeviations) < this.settings.threshold ? shift : undefined;
  }

  #momentsOf(found: ConstantProduct): Moments {
    const { op, input } = found;
    return keptIn(this.#moments, op.key, () => ({
      inputMeans: this.model.statistics.channels(input, inputMeans(found), "mean"),
      outputDeviations: outputDeviations(found, this.model.statistics),
    }));
  }
}

/**
 * The mean output error E[(W - Wq) x] of each output channel that quantizing the weights W causes, summed in
 * double precision.
 */
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

/**
 * The largest bias shift of a channel, in standard deviations of its output; channels that never vary are left
 * out.
 */
function largestShift(shift: Float32Array, deviations: Float64Array): number {
  return shift.reduce(
    (largest, value, channel) =>
      deviations[channel]! > 0 ? Math.max(largest, Math.abs(value) / deviations[channel]!) : largest,
    0,
  );
}
