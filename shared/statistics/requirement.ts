import { type ConvolutionWindow, windowName } from "../onnx/graph/convolution-window.js";
import { ERROR_HISTOGRAMS, type EstimatorType, isErrorType } from "./statistic-type.js";

/** A statistic with one value per sample, over the whole tensor. */
export type TensorStatistic =
  | { readonly type: "min" | "max" }
  | { readonly type: "quantile"; readonly side: "min" | "max"; readonly outlierProb: number }
  | { readonly type: "abs_quantile"; readonly outlierProb: number };

/** A statistic with one value per sample and channel: per index along `axis`, over all other axes. */
export type ChannelStatistic =
  | {
      readonly type: "channel_mean" | "channel_variance" | "channel_min" | "channel_max";
      readonly axis: number;
    }
  | {
      readonly type: "channel_quantile";
      readonly axis: number;
      readonly side: "min" | "max";
      readonly outlierProb: number;
    }
  | { readonly type: "channel_abs_quantile"; readonly axis: number; readonly outlierProb: number }
  /**
   * Values [channels, taps]: mean input of each tap of a convolution's kernel over all positions, padding
   * included.
   */
  | { readonly type: "tap_mean"; readonly window: ConvolutionWindow };

/** Weights with which a histogram counts the values of a tensor's channels; whole numbers. */
export interface ChannelWeights {
  /** The tensor's channel axis: 1 or the last one (-1). */
  readonly axis: 1 | -1;
  readonly weights: readonly number[];
}

/**
 * A histogram of values over all samples: of the whole tensor (`histogram`), weighted by channel
 * (`output_histogram`), or separately per channel (`channel_histogram`).
 */
export type HistogramStatistic =
  | { readonly type: "histogram" }
  | { readonly type: "channel_histogram"; readonly axis: number }
  | { readonly type: "output_histogram"; readonly channels?: ChannelWeights };

export type Statistic = TensorStatistic | ChannelStatistic | HistogramStatistic;

export function isHistogram(statistic: Statistic): statistic is HistogramStatistic {
  switch (statistic.type) {
    case "histogram":
    case "output_histogram":
    case "channel_histogram":
      return true;
    default:
      return false;
  }
}

export function isChannelStatistic(statistic: Statistic): statistic is ChannelStatistic {
  switch (statistic.type) {
    case "channel_mean":
    case "channel_variance":
    case "channel_min":
    case "channel_max":
    case "channel_quantile":
    case "channel_abs_quantile":
    case "tap_mean":
      return true;
    case "min":
    case "max":
    case "quantile":
    case "abs_quantile":
    case "histogram":
    case "output_histogram":
    case "channel_histogram":
      return false;
  }
}

/** The name of a statistic's column in the statistics table: `min`, `quantile.max.0.001`, … */
export function statisticName(statistic: Statistic): string {
  switch (statistic.type) {
    case "min":
    case "max":
    case "histogram":
    case "output_histogram":
      return statistic.type;
    case "quantile":
      return `quantile.${statistic.side}.${statistic.outlierProb}`;
    case "abs_quantile":
      return `abs_quantile.${statistic.outlierProb}`;
    case "channel_mean":
    case "channel_variance":
    case "channel_min":
    case "channel_max":
    case "channel_histogram":
      return `${statistic.type}.${statistic.axis}`;
    case "channel_abs_quantile":
      return `channel_abs_quantile.${statistic.axis}.${statistic.outlierProb}`;
    case "channel_quantile":
      return `channel_quantile.${statistic.axis}.${statistic.side}.${statistic.outlierProb}`;
    case "tap_mean":
      return `tap_mean.${windowName(statistic.window)}`;
  }
}

/**
 * The statistics of a whole tensor from which one end of its quantization range is estimated; for `abs_max`,
 * those of both ends.
 */
export function statisticsOf(type: EstimatorType, side: "min" | "max", outlierProb: number): Statistic[] {
  if (isErrorType(type)) return [{ type: "min" }, { type: "max" }, { type: ERROR_HISTOGRAMS[type] }];
  switch (type) {
    case "min":
    case "max":
      return [{ type }];
    case "abs_max":
      return [{ type: "min" }, { type: "max" }];
    case "quantile":
      return [{ type, side, outlierProb }];
    case "abs_quantile":
      return [{ type, outlierProb }];
  }
}

/**
 * The statistics per channel along `axis` from which one end of each channel's range is estimated. `output_mse`
 * equals `mse` here, as the weight of a channel in the following products is a constant factor of its error.
 */
export function channelStatisticsOf(
  type: EstimatorType,
  side: "min" | "max",
  outlierProb: number,
  axis: number,
): (ChannelStatistic | HistogramStatistic)[] {
  if (isErrorType(type)) {
    return [
      { type: "channel_min", axis },
      { type: "channel_max", axis },
      { type: "channel_histogram", axis },
    ];
  }
  switch (type) {
    case "min":
      return [{ type: "channel_min", axis }];
    case "max":
      return [{ type: "channel_max", axis }];
    case "abs_max":
      return [
        { type: "channel_min", axis },
        { type: "channel_max", axis },
      ];
    case "quantile":
      return [{ type: "channel_quantile", axis, side, outlierProb }];
    case "abs_quantile":
      return [{ type: "channel_abs_quantile", axis, outlierProb }];
  }
}

/** The statistics to collect, by tensor. */
export type StatisticsRequirement = ReadonlyMap<string, readonly Statistic[]>;

/** The union of two requirements, each statistic once. */
export function mergeRequirements(
  first: StatisticsRequirement,
  second: StatisticsRequirement,
): StatisticsRequirement {
  const merged = new Map(first);
  for (const [tensor, statistics] of second) {
    const all = [...(merged.get(tensor) ?? []), ...statistics];
    merged.set(tensor, [...new Map(all.map((statistic) => [statisticName(statistic), statistic])).values()]);
  }
  return merged;
}
