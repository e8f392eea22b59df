import type { Histogram } from "../../statistics/histogram.js";
import { type ErrorType, isErrorType, type SideEstimator } from "../../statistics/statistic-type.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { type Affine, unsignedAffine } from "../arithmetic/affine.js";
import { leastErrorRange } from "../arithmetic/least-error-range.js";
import { quantizationError } from "../arithmetic/quantization-error.js";
import { activationRanges, asymmetricRange, type Range, unifiedRange } from "../arithmetic/range.js";
import { widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import { ACTIVATION_CHANNEL_AXIS } from "../graph/activation-channels.js";
import type { ActivationQuantizer } from "../graph/groups.js";
import type { TensorPlan } from "../space/plan.js";
import { leastError } from "../space/range-estimator.js";

/** A tensor whose values decide ranges: one in all, or one for each of its channels. */
interface Source {
  readonly tensor: string;
  readonly channels: number | undefined;
}

/**
 * The scale and zero point that all tensors of a quantizer share, one in all or one a channel: each source's ranges by
 * the plan's estimator, clipped (reference section 4.6), then the union of them.
 * @throws {Error} when a statistic is infinite or NaN ({@link unboundedReason})
 */
export function activationAffines(
  quantizer: ActivationQuantizer,
  plan: TensorPlan,
  statistics: StatisticsTable,
): Affine[] {
  const channels = plan.granularity === "perchannel" ? quantizer.channels : undefined;
  const sources = quantizer.sources.map((tensor) =>
    sourceRanges({ tensor, channels }, plan, statistics).map((range) => clip(range, plan)),
  );
  const width = widthOf(plan);
  return sources[0]!.map((_, channel) => {
    const range = unifiedRange(
      sources.map((ranges) => ranges[channel]!),
      width,
    );
    return unsignedAffine(range, width);
  });
}

/** Of a range's codes; where a mask decides its end, all other values fall on a few of them. */
const CODES = 256;

/**
 * Why a quantizer cannot have a scale, as a clause: an end of a source's range that is infinite or NaN, or that a mask
 * decides.
 * @returns `undefined` where all ends are of activations
 */
export function unboundedReason(
  quantizer: ActivationQuantizer,
  plan: TensorPlan,
  statistics: StatisticsTable,
): string | undefined {
  const channels = plan.granularity === "perchannel" ? quantizer.channels : undefined;
  for (const tensor of quantizer.sources) {
    const ends = seenEnds({ tensor, channels }, plan, statistics).flatMap(({ low, high }) => [low, high]);
    const unbounded = ends.find((end) => !Number.isFinite(end));
    const mask = quantizer.masks?.find((value) => ends.some((end) => isDecidedBy(value, end)));
    if (unbounded === undefined && mask !== undefined)
      return `tensor "${tensor}" holds the mask ${Number(mask.toPrecision(6))} on the calibration samples, beside which its other values have no codes`;
    if (unbounded === undefined) continue;
    // An aggregate of infinite values of both signs is NaN.
    const value = statistics.notFinite(tensor) ?? unbounded;
    return `tensor "${tensor}" has the value ${value} on the calibration samples, which no scale can hold`;
  }
  return undefined;
}

/** Also where only some samples are masked, and the end is the mean of theirs. */
function isDecidedBy(mask: number, end: number): boolean {
  return Math.sign(end) === Math.sign(mask) && Math.abs(end) >= Math.abs(mask) / CODES;
}

/** The ends of a source's range before it is made one around zero. */
function seenEnds(source: Source, plan: TensorPlan, statistics: StatisticsTable): Range[] {
  const { estimator, mode } = plan;
  // Whether symmetric codes are signed is decided for all channels together (reference section 5.3).
  const whole = mode === "symmetric" ? { ...source, channels: undefined } : source;
  const lows = estimateEnds(whole, "min", estimator.min!, plan, statistics);
  const highs = estimateEnds(source, "max", estimator.max, plan, statistics);
  return Array.from(highs, (high, channel) => ({ low: lows[channel] ?? lows[0]!, high }));
}

function sourceRanges(source: Source, plan: TensorPlan, statistics: StatisticsTable): Range[] {
  const { estimator } = plan;
  const seen = seenEnds(source, plan, statistics);
  if (!seen.every(({ low, high }) => Number.isFinite(low) && Number.isFinite(high))) {
    throw new Error(`The range of tensor ${source.tensor} is not finite.`);
  }
  const error = leastError(estimator);
  const ends = error === undefined ? seen : leastErrorEnds(source, error, seen, plan, statistics);
  return rangesAround(ends, plan);
}

function rangesAround(ends: readonly Range[], plan: TensorPlan): Range[] {
  const signed = plan.levels !== undefined && plan.levels.low < 0;
  return activationRanges(plan.mode, ends, widthOf(plan), signed);
}

/** Ends by a statistic of their own; those that the error decides are as far out as anything was seen. */
function estimateEnds(
  { tensor, channels }: Source,
  side: "min" | "max",
  { type, ...estimator }: SideEstimator,
  { mode }: TensorPlan,
  statistics: StatisticsTable,
): ArrayLike<number> {
  const furthest = side === "max" && mode === "symmetric" ? "abs_max" : side;
  const asked = isErrorType(type) ? ({ type: furthest, aggregator: side } as const) : { ...estimator, type };
  return channels === undefined
    ? [statistics.estimate(tensor, side, asked)]
    : statistics.estimateChannels(tensor, side, asked, ACTIVATION_CHANNEL_AXIS);
}

/** Within one channel, the error of the products behind it is the squared error, weighed by one number. */
function leastErrorEnds(
  { tensor, channels }: Source,
  type: ErrorType,
  seen: readonly Range[],
  plan: TensorPlan,
  statistics: StatisticsTable,
): Range[] {
  const histograms =
    channels === undefined
      ? [statistics.histogram(tensor, type === "output_mse" ? "output_histogram" : "histogram")]
      : statistics.channelHistograms(tensor, ACTIVATION_CHANNEL_AXIS, channels);
  return seen.map((ends, channel) => leastErrorEndsOf(histograms[channel]!, type, ends, plan));
}

/** Trials ask for the same ranges again. */
const known = new WeakMap<Histogram, Map<string, Range>>();

function leastErrorEndsOf(histogram: Histogram, type: ErrorType, seen: Range, plan: TensorPlan): Range {
  const { mode, bits, levels, estimator } = plan;
  const ranges = known.get(histogram) ?? new Map<string, Range>();
  known.set(histogram, ranges);
  const free = { low: isErrorType(estimator.min!.type), high: isErrorType(estimator.max.type) };
  const key = JSON.stringify([type, seen, free, mode, bits, levels]);
  let range = ranges.get(key);
  if (range === undefined) {
    const bins = histogram.occupied();
    range = leastErrorRange(seen, free, (ends) =>
      quantizationError(type, bins, { ...rangesAround([ends], plan)[0]!, top: levelsOf(widthOf(plan)) - 1 }),
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
