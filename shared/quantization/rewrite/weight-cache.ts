import { keptIn } from "../../basics/kept-in.js";
import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import { dimensions, floatValues } from "../../onnx/model/tensor.js";
import { channelView } from "../arithmetic/channel-view.js";
import { codePairs, cutPairs } from "../arithmetic/paired-codes.js";
import type { WeightQuantizer } from "../graph/groups.js";
import type { TensorPlan } from "../space/plan.js";
import { quantizeWeights, type WeightCodes } from "./weight-codes.js";

/**
 * A function that replaces weight codes rounded to nearest by better codes or scales (as adaptive rounding
 * does).
 */
export type Refinement = (
  quantizer: WeightQuantizer,
  plan: TensorPlan,
  codes: WeightCodes,
  smallestScales?: readonly number[],
) => WeightCodes;

/** Caches a model's quantized constants across trials, one entry per constant and tensor plan. */
export class WeightCache {
  readonly #codes = new Map<string, WeightCodes>();

  /** @param refinements replace the codes rounded to nearest, one after the other */
  constructor(
    private readonly index: GraphIndex,
    private readonly refinements: readonly Refinement[] = [],
  ) {}

  get(quantizer: WeightQuantizer, plan: TensorPlan): WeightCodes {
    const key = `${quantizer.id} ${JSON.stringify(plan)}`;
    return keptIn(this.#codes, key, () => this.make(quantizer, plan));
  }

  /** Quantizes a constant without the cache, with scales that are at least `smallestScales`. */
  make(quantizer: WeightQuantizer, plan: TensorPlan, smallestScales?: readonly number[]): WeightCodes {
    const { id, channelAxis, unifiedZeroPoint, inputLayout } = quantizer;
    const tensor = this.index.initializers.get(id)!;
    const axis = plan.granularity === "perchannel" ? channelAxis : undefined;
    const view = channelView(floatValues(tensor), dimensions(tensor), axis);
    const unified = unifiedZeroPoint || plan.unifiedZeroPoint === true;
    const isPaired = plan.codes === "int8_paired" && inputLayout !== undefined;
    const pairs = isPaired ? codePairs(dimensions(tensor), inputLayout) : undefined;
    const nearest = quantizeWeights(view, plan, unified, smallestScales, pairs);
    const refined = this.refinements.reduce(
      (codes, refine) => refine(quantizer, plan, codes, smallestScales),
      nearest,
    );
    if (pairs === undefined || refined === nearest) return refined;
    // A refinement may have made the sum of a pair of codes too large for 16-bit kernels again.
    const codes = Int8Array.from(refined.codes);
    cutPairs(codes, pairs);
    return { ...refined, codes };
  }
}
