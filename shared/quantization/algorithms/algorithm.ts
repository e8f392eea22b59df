import type { output, ZodType } from "zod";
import type { Model } from "../../onnx/model/codec.js";
import type { StatisticsRequirement } from "../../statistics/requirement.js";
import type { MomentSource } from "../../statistics/second-moments.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ConstantProduct } from "../graph/constant-products.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { IgnoredScope } from "../graph/ignored/ignored-scope.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import type { Refinement, WeightCache } from "../rewrite/weight-cache.js";
import type { TensorPlan } from "../space/plan.js";
import type { TuningOptions } from "../space/tuning-options.js";
import type { Sampling } from "./algorithm-parameters.js";
import type { InputErrors } from "./carried-errors.js";

/** Settings that every algorithm has. */
export interface AlgorithmSettings {
  /** The nodes that the algorithm leaves unchanged. */
  readonly ignored: IgnoredScope;
  /** The calibration samples of an algorithm that rewrites the float model; those of the quantization when left out. */
  readonly sampling?: Sampling;
}

/** A float model and the layout of its quantizers, before any calibration sample is seen. */
export interface LaidOutModel {
  readonly view: OperandView;
  readonly layout: QuantizerLayout;
  readonly settings: { readonly options: TuningOptions };
}

/** What algorithms that adjust weights and biases gather on the calibration samples besides the statistics. */
export interface AdjustmentTables {
  /** Second moments E[x xᵀ] of the product inputs that algorithms list in `secondMoments`. */
  readonly secondMoments?: StatisticsTable | undefined;
  /** Mean input errors of the products that algorithms list in `productsWithInputErrors`. */
  readonly inputErrors?: InputErrors | undefined;
}

/** A float model, the layout of its quantizers and what was gathered on the calibration samples. */
export interface CalibratedModel extends LaidOutModel, AdjustmentTables {
  readonly statistics: StatisticsTable;
  /**
   * Whether an algorithm removes the whole mean error of the output of an op, given by its key, by correcting
   * the op's bias.
   */
  readonly correctsMeanError: (op: string) => boolean;
}

interface CommonAlgorithm<Name, Parameters extends ZodType, Settings> {
  readonly name: Name;
  /**
   * Key of the algorithm's settings in hashes that identify a run's setup; it must not change. Algorithms with
   * the same key exclude each other.
   */
  readonly settingsKey: string;
  /** Schema of `params` in `compression.algorithms`; `tune` there lets the search leave the algorithm out. */
  readonly parameters: Parameters;
  /**
   * Key of the numeric setting, both in `params` and in the settings, whose value a search may choose from
   * `<tunedSetting>_choices`; it must not be the last word of a quantizer's parameter, such as mode.
   */
  readonly tunedSetting?: string;
  settingsOf(params: output<Parameters>): Settings;
}

/** An algorithm that rewrites the float model before it is quantized, without changing what the model computes. */
export interface RewritingAlgorithm<N = string, P extends ZodType = ZodType, S = AlgorithmSettings>
  extends CommonAlgorithm<N, P, S> {
  readonly stage: "rewrite";
  /** @returns the rewriting to apply; `undefined` where the algorithm has no effect on the model */
  findRewriting(model: LaidOutModel, settings: S): Rewriting | undefined;
}

export interface Rewriting {
  /** The statistics of the float model's activations that `apply` needs. */
  readonly statistics: StatisticsRequirement;
  /**
   * @param statisticsKey identifies the model, the samples and `statistics`
   * @returns `undefined` where the statistics show nothing to gain
   */
  apply(model: Model, statistics: StatisticsTable, statisticsKey: string): RewrittenModel | undefined;
}

export interface RewrittenModel {
  readonly model: Model;
  /** A text that enters the cache keys of all statistics of the rewritten model: equal texts mean equal models. */
  readonly description: string;
  /**
   * Keys of ops to whose weights the saturation fix `first_layer` (7-bit codes, which cannot overflow) applies
   * as well.
   */
  readonly saturationFixed?: ReadonlySet<string>;
}

/**
 * An algorithm that changes how weights are rounded (`round`), or corrects errors by scales and biases
 * (`shift`).
 */
export interface AdjustingAlgorithm<N = string, P extends ZodType = ZodType, S = AlgorithmSettings>
  extends CommonAlgorithm<N, P, S> {
  readonly stage: "round" | "shift";
  /** Whether the algorithm removes the whole mean error of an op's output by correcting the op's bias. */
  readonly correctsMeanError?: boolean;
  hasEffect(model: LaidOutModel, settings: S): boolean;
  /** Statistics that the algorithm needs; they are gathered together with those of the ranges. */
  statistics?(model: LaidOutModel, settings: S): StatisticsRequirement;
  /** The product inputs x whose second moments E[x xᵀ] the algorithm needs. */
  secondMoments?(model: LaidOutModel, settings: S): readonly MomentSource[];
  /**
   * The products, in topological order, whose input errors are measured with all earlier ops quantized and
   * corrected.
   *
   * @param quantized keys of the ops that are quantized
   */
  productsWithInputErrors?(
    model: LaidOutModel,
    settings: S,
    quantized: ReadonlySet<string>,
  ): ConstantProduct[];
  adjust(model: CalibratedModel, settings: S): Adjustment;
}

/** What an algorithm does to the weights and biases of one calibrated model. */
export interface Adjustment {
  readonly refine?: Refinement;
  /**
   * @param op key of the op whose bias is shifted
   * @param plan quantization plan of the op's weights; `undefined` where they stay in float
   * @returns what is added to the op's bias, one value per output channel; `undefined` where the bias is left
   *   alone
   */
  shift?(op: string, plan: TensorPlan | undefined, weights: WeightCache): Float32Array | undefined;
  /**
   * @param quantized keys of the ops that are quantized
   * @returns keys of the ops that stay in float and whose bias is shifted too
   */
  shiftedInFloat?(quantized: ReadonlySet<string>): readonly string[];
}

export type Algorithm<N = string, P extends ZodType = ZodType, S = AlgorithmSettings> =
  | RewritingAlgorithm<N, P, S>
  | AdjustingAlgorithm<N, P, S>;

/** An algorithm of the configuration with its settings; {@link configured} checks that the two fit. */
export interface ConfiguredAlgorithm {
  readonly algorithm: Algorithm;
  readonly settings: AlgorithmSettings;
}

export function configured<P extends ZodType, S extends AlgorithmSettings>(
  algorithm: Algorithm<string, P, S>,
  settings: S,
): ConfiguredAlgorithm {
  return { algorithm, settings };
}

/** The algorithms that adjust weights and biases, in the order given. */
export function adjustingAlgorithms(
  algorithms: readonly ConfiguredAlgorithm[],
): { readonly algorithm: AdjustingAlgorithm; readonly settings: AlgorithmSettings }[] {
  return algorithms.flatMap(({ algorithm, settings }) =>
    algorithm.stage === "rewrite" ? [] : [{ algorithm, settings }],
  );
}

/** The settings of algorithms by their `settingsKey`, as they enter hashes. */
export function settingsByKey(
  algorithms: readonly ConfiguredAlgorithm[],
): Readonly<Record<string, AlgorithmSettings>> {
  return Object.fromEntries(algorithms.map(({ algorithm, settings }) => [algorithm.settingsKey, settings]));
}

/** Returns its argument; it serves to infer the types of an algorithm's name, parameters and settings. */
export function rewritingAlgorithm<const N, P extends ZodType, S>(algorithm: RewritingAlgorithm<N, P, S>) {
  return algorithm;
}

/** Returns its argument; it serves to infer the types of an algorithm's name, parameters and settings. */
export function adjustingAlgorithm<const N, P extends ZodType, S>(algorithm: AdjustingAlgorithm<N, P, S>) {
  return algorithm;
}
