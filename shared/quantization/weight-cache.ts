import type { GraphIndex } from "../onnx/graph-index.js";
import { dimensions, floatValues } from "../onnx/tensor.js";
import type { TensorPlan } from "./plan.js";
import { channelView, quantizeWeights, type WeightCodes } from "./weight-codes.js";

/** Keeps a model's quantized constants, one for each way they have been quantized, from trial to trial. */
export class WeightCache {
  readonly #codes = new Map<string, WeightCodes>();

  constructor(private readonly index: GraphIndex) {}

  get(initializer: string, axis: number | undefined, plan: TensorPlan): WeightCodes {
    const key = `${initializer} ${JSON.stringify(plan)}`;
    let codes = this.#codes.get(key);
    if (codes === undefined) {
      codes = this.make(initializer, axis, plan);
      this.#codes.set(key, codes);
    }
    return codes;
  }

  /** Quantizes a constant afresh, with scales that are no smaller than given. */
  make(
    initializer: string,
    axis: number | undefined,
    plan: TensorPlan,
    smallestScales?: readonly number[],
  ): WeightCodes {
    const tensor = this.index.initializers.get(initializer)!;
    const along = plan.granularity === "perchannel" ? axis : undefined;
    return quantizeWeights(channelView(floatValues(tensor), dimensions(tensor), along), plan, smallestScales);
  }
}
