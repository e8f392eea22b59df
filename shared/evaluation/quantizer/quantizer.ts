import type { Model } from "../../onnx/model/codec.js";
import { dimensions, elementCount } from "../../onnx/model/tensor.js";
import {
  type Adjustment,
  type AdjustmentTables,
  adjustingAlgorithms,
} from "../../quantization/algorithms/algorithm.js";
import type { CorrectedProduct } from "../../quantization/algorithms/bias-correction.js";
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
import { WeightCache } from "../../quantization/rewrite/weight-cache.js";
import type { QuantizationPlan, TensorPlan } from "../../quantization/space/plan.js";
import type { MeasuredOutcome } from "../../run/protocol/measured-outcome.js";
import type { Configuration } from "../../search/space/space.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { Subject } from "../model/tunable-model.js";

/** A share (0 to 1) of the model's weighted ops: by their number, and by the elements of their weights. */
export type QuantizedShare = MeasuredOutcome["quantizedShare"];

export interface QuantizedModel {
  readonly model: Model;
  readonly plan: QuantizationPlan;
  /**
   * The groups (tensors that share a quantizer choice) that stay in float because of their calibration
   * samples, with reasons.
   */
  readonly unbounded: UnboundedGroups;
  readonly quantizedShare: QuantizedShare;
  /**
   * The part of `quantizedShare` whose ops have no integer kernel in ONNX Runtime: it saves space, not time.
   */
  readonly simulatedShare: QuantizedShare;
}

/**
 * Makes quantized models of one float model, and keeps what several configurations share, such as quantized
 * weights.
 */
export class Quantizer {
  readonly #weights: WeightCache;
  readonly #biases: Adjustment | undefined;

  /**
   * Prepares the algorithms that adjust weights and biases.
   *
   * @param statistics of the calibration samples
   */
  constructor(
    private readonly subject: Subject,
    private readonly statistics: StatisticsTable,
    tables: AdjustmentTables = {},
  ) {
    const { layout, view, settings } = subject;
    const algorithms = adjustingAlgorithms(settings.algorithms);
    const correctsMeanError = (op: string): boolean =>
      algorithms.some(
        ({ algorithm, settings: { ignored } }) =>
          algorithm.correctsMeanError === true && !isIgnored(layout.ops.get(op)!.node, ignored),
      );
    const model = { layout, view, settings, statistics, ...tables, correctsMeanError };
    const adjustments = algorithms.map(({ algorithm, settings: own }) => algorithm.adjust(model, own));
    this.#weights = new WeightCache(
      view.index,
      adjustments.flatMap(({ refine }) => refine ?? []),
    );
    // Each shift of biases compares the weights after all refinements with the float weights, so that the
    // last one includes the others.
    this.#biases = adjustments.findLast(({ shift }) => shift !== undefined);
  }

  /**
   * The plan of a configuration (which tensors and ops are quantized, and how), without the groups that stay
   * in float because of their calibration samples.
   */
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

  /**
   * A product (Conv, MatMul or Gemm) under a plan: the integer codes of its weight, and the shift of its
   * bias.
   */
  corrected(product: ConstantProduct, plan: QuantizationPlan): CorrectedProduct {
    const isQuantized = plan.ops.has(product.op.key);
    const tensor = isQuantized ? plan.weights.get(product.weight)! : undefined;
    const codes = tensor && this.#weights.get(this.subject.layout.weights.get(product.weight)!, tensor);
    return { product, codes, shift: this.#biases?.shift?.(product.op.key, tensor, this.#weights) };
  }

  #biasShifts(plan: QuantizationPlan): BiasShifts {
    const shifts = new Map<string, Float32Array>();
    const add = (key: string, weight: TensorPlan | undefined): void => {
      const shift = this.#biases?.shift?.(key, weight, this.#weights);
      if (shift !== undefined) shifts.set(key, shift);
    };
    for (const key of plan.ops) {
      const weight = this.subject.layout.ops.get(key)?.weight;
      if (weight !== undefined) add(key, plan.weights.get(weight.initializer)!);
    }
    for (const key of this.#biases?.shiftedInFloat?.(plan.ops) ?? []) add(key, undefined);
    return shifts;
  }

  #weightSize(id: string): number {
    return elementCount(dimensions(this.subject.view.index.initializers.get(id)!));
  }

  /**
   * The share of the ops that `counts` selects among all ops with constant weights, including those that
   * cannot be quantized and those in bodies of control flow.
   */
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
