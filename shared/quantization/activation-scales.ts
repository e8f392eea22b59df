import { ModelError } from "../errors.js";
import type { Histogram } from "../statistics/histogram.js";
import type { StatisticsTable } from "../statistics/table.js";
import { type Affine, unsignedAffine } from "./affine.js";
import type { ActivationQuantizer } from "./groups.js";
import { widthOf } from "./hardware.js";
import { leastErrorRange } from "./least-error-range.js";
import type { TensorPlan } from "./plan.js";
import { quantizationError } from "./quantization-error.js";
import { activationRange, asymmetricRange, levelsOf, type Range, unifiedRange } from "./range.js";
import { type ErrorType, isErrorType, leastError, type SideEstimator } from "./range-estimator.js";

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
  const width = widthOf(plan);
  return unsignedAffine(unifiedRange(ranges, width), width);
}

function sourceRange(tensor: string, plan: TensorPlan, statistics: StatisticsTable): Range {
  const { estimator } = plan;
  const seen = {
    low: estimateEnd(tensor, "min", estimator.min!, plan, statistics),
    high: estimateEnd(tensor, "max", estimator.max, plan, statistics),
  };
  if (!Number.isFinite(seen.low) || !Number.isFinite(seen.high)) {
    throw new ModelError(
      `Calibration saw ${Number.isFinite(seen.low) ? seen.high : seen.low} in tensor "${tensor}", which no scale can hold; put the ops that read it into \`ignored\`.`,
    );
  }
  const error = leastError(estimator);
  const { low, high } = error === undefined ? seen : leastErrorEnds(tensor, error, seen, plan, statistics);
  return rangeAround(low, high, plan);
}

function rangeAround(low: number, high: number, plan: TensorPlan): Range {
  const signed = plan.levels !== undefined && plan.levels.low < 0;
  return activationRange(plan.mode, low, high, widthOf(plan), signed);
}

/** An end by its own statistic; one that the error decides is as far out as anything was seen. */
function estimateEnd(
  tensor: string,
  side: "min" | "max",
  { type, ...estimator }: SideEstimator,
  { mode }: TensorPlan,
  statistics: StatisticsTable,
): number {
  if (!isErrorType(type)) return statistics.estimate(tensor, side, { ...estimator, type });
  const furthest = side === "max" && mode === "symmetric" ? "abs_max" : side;
  return statistics.estimate(tensor, side, { type: furthest, aggregator: side });
}

/** Trials ask for the same ranges again. */
const known = new WeakMap<Histogram, Map<string, Range>>();

function leastErrorEnds(
  tensor: string,
  type: ErrorType,
  seen: Range,
  plan: TensorPlan,
  statistics: StatisticsTable,
): Range {
  const { mode, bits, levels, estimator } = plan;
  const histogram = statistics.histogram(tensor, type === "output_mse" ? "output_histogram" : "histogram");
  const ranges = known.get(histogram) ?? new Map<string, Range>();
  known.set(histogram, ranges);
  const free = { low: isErrorType(estimator.min!.type), high: isErrorType(estimator.max.type) };
  const key = JSON.stringify([type, seen, free, mode, bits, levels]);
  let range = ranges.get(key);
  if (range === undefined) {
    const bins = histogram.occupied();
    range = leastErrorRange(seen, free, ({ low, high }) =>
      quantizationError(type, bins, { ...rangeAround(low, high, plan), top: levelsOf(widthOf(plan)) - 1 }),
    );
    ranges.set(key, range);
  }
  return range;
}

/** Clipping comes after the range is made; zero is moved onto a code again. */
function clip(range: Range, plan: TensorPlan): Range {
  const { estimator } = plan;
  const high = Math.min(range.high, estimator.max.clippingValue ?? range.high);
  const low = Math.max(range.low, estimator.min?.clippingValue ?? range.low);
  return high === range.high && low === range.low ? range : asymmetricRange(low, high, widthOf(plan));
}
