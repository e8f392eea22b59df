import type { Histogram } from "../../statistics/histogram.js";
import {
  ERROR_HISTOGRAMS,
  type ErrorType,
  isErrorType,
  type SideEstimator,
} from "../../statistics/statistic-type.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { type Affine, unsignedAffine } from "../arithmetic/affine.js";
import { leastErrorRange } from "../arithmetic/least-error-range.js";
import { quantizationError } from "../arithmetic/quantization-error.js";
import {
  activationRanges,
  asymmetricRange,
  isTooSmall,
  type Range,
  unifiedRange,
} from "../arithmetic/range.js";
import { widthOf } from "../device/hardware.js";
import { levelsOf } from "../device/width.js";
import { ACTIVATION_CHANNEL_AXIS } from "../graph/activation-channels.js";
import type { ActivationQuantizer } from "../graph/groups.js";
import type { TensorPlan } from "../space/plan.js";
import { leastError } from "../space/range-estimator.js";

/** A tensor whose values decide the range of a quantizer: one range in all, or one for each of its channels. */
interface Source {
  readonly tensor: string;
  readonly channels: number | undefined;
}

/**
 * The scale and zero point of an activation quantizer, per tensor (one) or per channel: the ranges of its
 * source tensors are estimated by the plan's range estimator, clipped to the configured limits, and united.
 *
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

/**
 * Number of codes of a range that is assumed in judging masks: where a mask constant decides the range's end,
 * all other values fall on a few codes.
 */
const CODES = 256;

/**
 * The reason, as a clause, why an activation quantizer cannot have a scale: an end of a source tensor's range
 * is infinite or NaN, a mask constant (such as -1e4) decides it, or the values are so small that the smallest
 * scale leaves fewer levels than the width asks for.
 *
 * @returns `undefined` where all ends are finite and one is far enough from zero, or all are zero
 */
export function unboundedReason(
  quantizer: ActivationQuantizer,
  plan: TensorPlan,
  statistics: StatisticsTable,
): string | undefined {
  const channels = plan.granularity === "perchannel" ? quantizer.channels : undefined;
  let largest = 0;
  for (const tensor of quantizer.sources) {
    const ends = seenEnds({ tensor, channels }, plan, statistics).flatMap(({ low, high }) => [low, high]);
    largest = ends.reduce((most, end) => Math.max(most, Math.abs(end)), largest);
    const unbounded = ends.find((end) => !Number.isFinite(end));
    const mask = quantizer.masks?.find((value) => ends.some((end) => isDecidedBy(value, end)));
    if (unbounded === undefined && mask !== undefined)
      return `tensor "${tensor}" holds the mask ${Number(mask.toPrecision(6))} on the calibration samples, beside which its other values have no codes`;
    if (unbounded === undefined) continue;
    // An aggregate of infinite values of both signs is NaN.
    const value = statistics.notFinite(tensor) ?? unbounded;
    return `tensor "${tensor}" has the value ${value} on the calibration samples, which no scale can hold`;
  }
  return isTooSmall(largest, widthOf(plan))
    ? `no value of tensor "${quantizer.sources[0]}" is larger than ${largest.toPrecision(2)} on the calibration samples, which is too small for a scale`
    : undefined;
}

/**
 * Whether a mask constant (such as -1e4) decides this end of a range, also where only some samples are masked
 * and the end is the mean over the samples.
 */
function isDecidedBy(mask: number, end: number): boolean {
  return Math.sign(end) === Math.sign(mask) && Math.abs(end) >= Math.abs(mask) / CODES;
}

/**
 * The estimated ends of a source tensor's range, per tensor or per channel, before zero is included and moved
 * onto a code.
 */
function seenEnds(source: Source, plan: TensorPlan, statistics: StatisticsTable): Range[] {
  const { estimator, mode } = plan;
  // In symmetric mode all channels are signed or none, so the lower end is estimated for the whole tensor.
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

/**
 * Lower or upper ends of a tensor's ranges, estimated from statistics; for estimators that minimize an error,
 * the extreme values, where their search starts.
 */
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

/**
 * The ends of a tensor's ranges that minimize the estimator's error. Per channel `output_mse` equals `mse`: the
 * weight of a channel is a constant factor of its error.
 */
function leastErrorEnds(
  { tensor, channels }: Source,
  type: ErrorType,
  seen: readonly Range[],
  plan: TensorPlan,
  statistics: StatisticsTable,
): Range[] {
  const histograms =
    channels === undefined
      ? [statistics.histogram(tensor, ERROR_HISTOGRAMS[type])]
      : statistics.channelHistograms(tensor, ACTIVATION_CHANNEL_AXIS, channels);
  return seen.map((ends, channel) => leastErrorEndsOf(histograms[channel]!, type, ends, plan));
}

/** Cache of the ranges of least error by histogram, as trials request the same ones. */
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

/** Clips a range to the configured limits and moves zero onto a code again. */
function clip(range: Range, plan: TensorPlan): Range {
  const { estimator } = plan;
  const high = Math.min(range.high, estimator.max.clippingValue ?? range.high);
  const low = Math.max(range.low, estimator.min?.clippingValue ?? range.low);
  return high === range.high && low === range.low ? range : asymmetricRange(low, high, widthOf(plan));
}
