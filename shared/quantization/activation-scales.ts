import { ModelError } from "../errors.js";
import type { StatisticsTable } from "../statistics/table.js";
import { type Affine, unsignedAffine } from "./affine.js";
import type { ActivationQuantizer } from "./groups.js";
import type { TensorPlan } from "./plan.js";
import { activationRange, asymmetricRange, type Range, unifiedRange } from "./range.js";

/**
 * The scale and zero point that all tensors of a quantizer share: each source's range by the plan's estimator, clipped
 * (reference section 4.6), then the union of them.
 * @throws {ModelError} when a statistic is infinite or NaN
 */
export function activationAffine(
  quantizer: ActivationQuantizer,
  plan: TensorPlan,
  statistics: StatisticsTable,
): Affine {
  const ranges = quantizer.sources.map((tensor) => clip(sourceRange(tensor, plan, statistics), plan));
  return unsignedAffine(unifiedRange(ranges, plan.bits), plan.bits);
}

function sourceRange(
  tensor: string,
  { mode, bits, estimator }: TensorPlan,
  statistics: StatisticsTable,
): Range {
  const min = statistics.estimate(tensor, "min", estimator.min!);
  const max = statistics.estimate(tensor, "max", estimator.max);
  if (!Number.isFinite(min) || !Number.isFinite(max)) {
    throw new ModelError(
      `Calibration saw ${Number.isFinite(min) ? max : min} in tensor "${tensor}", which no scale can hold; put the ops that read it into \`ignored\`.`,
    );
  }
  return activationRange(mode, min, max, bits);
}

/** Clipping comes after the range is made; zero is moved onto a code again. */
function clip(range: Range, { estimator, bits }: TensorPlan): Range {
  const high = Math.min(range.high, estimator.max.clippingValue ?? range.high);
  const low = Math.max(range.low, estimator.min?.clippingValue ?? range.low);
  return high === range.high && low === range.low ? range : asymmetricRange(low, high, bits);
}
