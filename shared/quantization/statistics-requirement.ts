import {
  type Statistic,
  type StatisticsRequirement,
  statisticName,
  statisticsOf,
} from "../statistics/requirement.js";
import { channelSensitivity } from "./channel-sensitivity.js";
import type { QuantizerLayout } from "./groups.js";
import type { Mode } from "./hardware.js";
import type { OperandView } from "./quantizable-ops.js";
import { activationEstimator, DEFAULT_OUTLIER_PROB, isQuantile } from "./range-estimator.js";
import { SIDE_TYPES } from "./space.js";
import {
  type EstimatorScope,
  overrideEstimator,
  pinnedEstimator,
  type TuningOptions,
  tunedPresets,
} from "./tuning-options.js";

/** Every statistic that some configuration within the options can ask for, of every tensor that decides a range. */
export function requiredStatistics(
  layout: QuantizerLayout,
  view: OperandView,
  options: TuningOptions,
): StatisticsRequirement {
  const statistics = new Map<string, Statistic>();
  const pinned = pinnedEstimator(options, "activations");
  const isTuned = (scope: EstimatorScope): boolean =>
    options.tuningScope.has("range_estimator") && options.estimatorScope.has(scope);
  const presets = tunedPresets(options, "activations");
  for (const mode of ["symmetric", "asymmetric"] satisfies Mode[]) {
    for (const preset of presets) {
      const estimator = overrideEstimator(activationEstimator(preset, mode, "pertensor"), pinned);
      for (const side of ["min", "max"] as const) {
        const { type, outlierProb = DEFAULT_OUTLIER_PROB } = estimator[side]!;
        const probabilities = [outlierProb, ...(isTuned("outlier_prob") ? options.outlierProbChoices : [])];
        for (const asked of isTuned("type") ? [type, ...SIDE_TYPES[side]] : [type]) {
          for (const probability of isQuantile(asked) ? probabilities : [0]) {
            for (const statistic of statisticsOf(asked, side, probability)) {
              statistics.set(statisticName(statistic), statistic);
            }
          }
        }
      }
    }
  }
  return new Map(
    [...layout.activations.values()]
      .flatMap(({ sources }) => sources)
      .map((tensor) => [
        tensor,
        [...statistics.values()].map((statistic) => ofTensor(statistic, tensor, view)),
      ]),
  );
}

function ofTensor(statistic: Statistic, tensor: string, view: OperandView): Statistic {
  if (statistic.type !== "output_histogram") return statistic;
  const channels = channelSensitivity(tensor, view);
  return channels === undefined ? statistic : { ...statistic, channels };
}
