import {
  type Statistic,
  type StatisticsRequirement,
  statisticName,
  statisticsOf,
} from "../statistics/requirement.js";
import type { QuantizerLayout } from "./groups.js";
import type { Mode } from "./hardware.js";
import {
  activationEstimator,
  DEFAULT_OUTLIER_PROB,
  isQuantile,
  type StatisticType,
} from "./range-estimator.js";
import { MAX_TYPES, MIN_TYPES } from "./space.js";
import { overrideEstimator, type TuningOptions } from "./tuning-options.js";

/** Every statistic that some configuration within the options can ask for, of every tensor that decides a range. */
export function requiredStatistics(layout: QuantizerLayout, options: TuningOptions): StatisticsRequirement {
  const statistics = new Map<string, Statistic>();
  const add = (type: StatisticType, side: "min" | "max", probabilities: readonly number[]): void => {
    for (const outlierProb of isQuantile(type) ? probabilities : [0]) {
      for (const statistic of statisticsOf(type, side, outlierProb)) {
        statistics.set(statisticName(statistic), statistic);
      }
    }
  };
  const overrides = options.activations.rangeEstimator ?? options.rangeEstimator;
  const tuned = options.tuningScope.has("range_estimator");
  const probabilities = tuned && options.estimatorScope.has("outlier_prob") ? options.outlierProbChoices : [];
  const quantiles = overrides?.preset === "quantile" || (tuned && options.estimatorScope.has("preset"));
  for (const mode of ["symmetric", "asymmetric"] satisfies Mode[]) {
    for (const preset of quantiles ? (["default", "quantile"] as const) : (["default"] as const)) {
      const { min, max } = overrideEstimator(activationEstimator(preset, mode, "pertensor"), overrides);
      add(min!.type, "min", [min!.outlierProb ?? DEFAULT_OUTLIER_PROB, ...probabilities]);
      add(max.type, "max", [max.outlierProb ?? DEFAULT_OUTLIER_PROB, ...probabilities]);
    }
  }
  if (tuned && options.estimatorScope.has("type")) {
    for (const type of MIN_TYPES) add(type, "min", [DEFAULT_OUTLIER_PROB, ...probabilities]);
    for (const type of MAX_TYPES) add(type, "max", [DEFAULT_OUTLIER_PROB, ...probabilities]);
  }
  const all = [...statistics.values()];
  return new Map(
    [...layout.activations.values()].flatMap(({ sources }) => sources).map((tensor) => [tensor, all]),
  );
}
