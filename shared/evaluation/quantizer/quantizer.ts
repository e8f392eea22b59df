import type { Model } from "../../onnx/model/codec.js";
import { dimensions, elementCount } from "../../onnx/model/tensor.js";
import { AdaptiveRounding } from "../../quantization/algorithms/adaptive-rounding.js";
import type { CorrectedProduct, InputErrors } from "../../quantization/algorithms/bias-correction.js";
import { FastBiasCorrection } from "../../quantization/algorithms/fast-bias-correction.js";
import { WeightBiasCorrection } from "../../quantization/algorithms/weight-bias-correction.js";
import type { ConstantProduct } from "../../quantization/graph/constant-products.js";
import { isIgnored } from "../../quantization/graph/ignored/ignored-scope.js";
import { nestedOps } from "../../quantization/graph/nested-ops.js";
import { type QuantizableOp, WEIGHTED_TYPES } from "../../quantization/graph/quantizable-ops.js";
import { activationAffines } from "../../quantization/rewrite/activation-scales.js";
import type { BiasShifts } from "../../quantization/rewrite/bias-addition.js";
import {
  type BoundedPlan,
  planWithinBounds,
  type UnboundedGroups,
} from "../../quantization/rewrite/bounded-plan.js";
import { simulationReason } from "../../quantization/rewrite/kernel-support.js";
import { quantizeModel } from "../../quantization/rewrite/quantize-model.js";
import { type Refinement, WeightCache } from "../../quantization/rewrite/weight-cache.js";
import type { QuantizationPlan, TensorPlan } from "../../quantization/space/plan.js";
import type { Configuration } from "../../search/space/space.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { Subject } from "../model/tunable-model.js";

/** A share of the model's weighted ops: by their number, and by the elements of their weights. */
export interface QuantizedShare {
  readonly byCount: number;
  readonly byParameters: number;
}

export interface QuantizedModel {
  readonly model: Model;
  readonly plan: QuantizationPlan;
  /** The groups that the calibration samples keep in float. */
  readonly unbounded: UnboundedGroups;
  readonly quantizedShare: QuantizedShare;
  /** Of those ops, what ONNX Runtime has no integer kernel for: their codes save space, not time. */
  readonly simulatedShare: QuantizedShare;
}

/** What algorithms follow from beside the statistics. */
export interface CompanionTables {
  /** Needed with AdaptiveRounding. */
  readonly roundingMoments?: StatisticsTable;
  /** Needed with BiasCorrection. */
  readonly inputErrors?: InputErrors;
}

/** Makes quantized models of one float model, and keeps what configurations share. */
export class Quantizer {
  readonly #weights: WeightCache;
  readonly #biasCorrection: FastBiasCorrection | undefined;
  readonly #weightBiasCorrection: WeightBiasCorrection | undefined;

  /**
   * @param statistics of the calibration samples
   */
  constructor(
    private readonly subject: Subject,
    private readonly statistics: StatisticsTable,
    tables: CompanionTables = {},
  ) {
    const { layout, view, settings } = subject;
    this.#weightBiasCorrection =
      settings.weightBiasCorrection &&
      new WeightBiasCorrection(layout, view, settings.weightBiasCorrection, statistics);
    const refinements = [...roundingRefinements(subject, tables), ...this.#weightBiasRefinements()];
    this.#weights = new WeightCache(view.index, refinements);
    this.#biasCorrection =
      settings.biasCorrection &&
      new FastBiasCorrection(
        layout,
        view,
        settings.biasCorrection,
        statistics,
        this.#weights,
        tables.inputErrors,
      );
  }

  /** A configuration spelled out, without what the calibration samples keep in float. */
  plan(configuration: Configuration): BoundedPlan {
    const { layout, hardware, settings } = this.subject;
    return planWithinBounds(layout, hardware, settings.options, configuration, this.statistics);
  }

  quantize(configuration: Configuration): QuantizedModel {
    const { prepared, view, layout } = this.subject;
    const { plan, unbounded } = this.plan(configuration);
    const scales = new Map(
      [...plan.activations].map(([id, tensor]) => [
        id,
        activationAffines(layout.activations.get(id)!, tensor, this.statistics),
      ]),
    );
    const shifts = this.#biasShifts(plan);
    const model = quantizeModel(prepared.model, view, layout, plan, scales, this.#weights, shifts);
    const isQuantized = (op: QuantizableOp): boolean => plan.ops.has(op.key);
    return {
      model,
      plan,
      unbounded,
      quantizedShare: this.#share(isQuantized),
      simulatedShare: this.#share(
        (op) => isQuantized(op) && simulationReason(op, layout, plan) !== undefined,
      ),
    };
  }

  /** A product as the plan quantizes and corrects it. */
  corrected(product: ConstantProduct, plan: QuantizationPlan): CorrectedProduct {
    const isQuantized = plan.ops.has(product.op.key);
    const tensor = isQuantized ? plan.weights.get(product.weight)! : undefined;
    const codes = tensor && this.#weights.get(this.subject.layout.weights.get(product.weight)!, tensor);
    return { product, codes, shift: this.#biasShift(product.op.key, tensor) };
  }

  #biasShifts(plan: QuantizationPlan): BiasShifts {
    const shifts = new Map<string, Float32Array>();
    for (const key of plan.ops) {
      const weight = this.subject.layout.ops.get(key)?.weight;
      const shift = weight && this.#biasShift(key, plan.weights.get(weight.initializer)!);
      if (shift !== undefined) shifts.set(key, shift);
    }
    for (const key of this.#biasCorrection?.inFloat(plan.ops) ?? []) {
      const shift = this.#biasShift(key, undefined);
      if (shift !== undefined) shifts.set(key, shift);
    }
    return shifts;
  }

  /**
   * A correction of the whole mean error holds that of the weights' mean.
   * @param plan of the op's weights; `undefined` where they stay in float
   */
  #biasShift(key: string, plan: TensorPlan | undefined): Float32Array | undefined {
    if (this.#biasCorrection !== undefined) return this.#biasCorrection.shift(key, plan);
    return plan && this.#weightBiasCorrection?.shift(key, plan, this.#weights);
  }

  #weightBiasRefinements(): Refinement[] {
    const correction = this.#weightBiasCorrection;
    if (correction === undefined) return [];
    return [(quantizer, _plan, codes, smallest) => correction.refine(quantizer, codes, smallest)];
  }

  #weightSize(id: string): number {
    return elementCount(dimensions(this.subject.view.index.initializers.get(id)!));
  }

  /** Of all weighted ops with constant weights, those that cannot be quantized and those in bodies included. */
  #share(counts: (op: QuantizableOp) => boolean): QuantizedShare {
    const { layout, view } = this.subject;
    let [count, parameters, countedCount, countedParameters] = [0, 0, 0, 0];
    for (const node of view.index.nodes) {
      for (const nested of nestedOps(node, view.index.initializers)) {
        if (nested.parameters === undefined) continue;
        count += 1;
        parameters += nested.parameters;
      }
      if (!WEIGHTED_TYPES.has(node.opType)) continue;
      const op = layout.ops.get(node.output[0] ?? "");
      const name =
        op?.weight?.initializer ?? node.input.slice(0, 2).find((input) => view.index.initializers.has(input));
      if (name === undefined) continue;
      const size = this.#weightSize(name);
      count += 1;
      parameters += size;
      if (op === undefined || !counts(op)) continue;
      countedCount += 1;
      countedParameters += size;
    }
    return {
      byCount: count === 0 ? 0 : countedCount / count,
      byParameters: parameters === 0 ? 0 : countedParameters / parameters,
    };
  }
}

function roundingRefinements(
  { layout, view, settings }: Subject,
  { roundingMoments }: CompanionTables,
): Refinement[] {
  const { adaptiveRounding, biasCorrection } = settings;
  if (adaptiveRounding === undefined) return [];
  if (roundingMoments === undefined) throw new Error("AdaptiveRounding needs second moments.");
  const correctsMean = (key: string): boolean =>
    biasCorrection !== undefined && !isIgnored(layout.ops.get(key)!.node, biasCorrection.ignored);
  const rounding = new AdaptiveRounding(layout, view, adaptiveRounding, roundingMoments, correctsMean);
  return [(quantizer, plan, codes, smallest) => rounding.round(quantizer, plan, codes, smallest)];
}
