import type { StatisticType } from "../quantization/range-estimator.js";

/** One number a sample of a tensor. */
export type Statistic =
  | { readonly type: "min" | "max" }
  | { readonly type: "quantile"; readonly side: "min" | "max"; readonly outlierProb: number }
  | { readonly type: "abs_quantile"; readonly outlierProb: number };

/** The name of a statistic's column: `min`, `quantile.max.0.001`, … */
export function statisticName(statistic: Statistic): string {
  switch (statistic.type) {
    case "min":
    case "max":
      return statistic.type;
    case "quantile":
      return `quantile.${statistic.side}.${statistic.outlierProb}`;
    case "abs_quantile":
      return `abs_quantile.${statistic.outlierProb}`;
  }
}

/** Which columns a side of a range estimator is computed from; a largest magnitude follows from both ends. */
export function statisticsOf(type: StatisticType, side: "min" | "max", outlierProb: number): Statistic[] {
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

/** What is gathered of each tensor in one pass over the samples. */
export type StatisticsRequirement = ReadonlyMap<string, readonly Statistic[]>;
