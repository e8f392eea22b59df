import {
  channelStatisticsOf,
  type Statistic,
  type StatisticsRequirement,
  statisticName,
  statisticsOf,
} from "../../statistics/requirement.js";
import { isQuantile } from "../../statistics/statistic-type.js";
import type { Granularity, Mode } from "../device/hardware.js";
import { ACTIVATION_CHANNEL_AXIS } from "../graph/activation-channels.js";
import { channelSensitivity } from "../graph/channel-sensitivity.js";
import type { QuantizerLayout } from "../graph/groups.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import { activationEstimator, DEFAULT_OUTLIER_PROB } from "./range-estimator.js";
import { activationSchemes, baseScheme } from "./schemes.js";
import { SIDE_TYPES, withinScope } from "./space.js";
import {
  type EstimatorScope,
  overrideEstimator,
  pinnedEstimator,
  type TuningOptions,
  tunedPresets,
} from "./tuning-options.js";

/** All statistics of activations that any configuration within the options needs, by tensor. */
export function requiredStatistics(
  layout: QuantizerLayout,
  view: OperandView,
  options: TuningOptions,
): StatisticsRequirement {
  const asked = new Map<Granularity, readonly Statistic[]>();
  const ofGranularity = (granularity: Granularity): readonly Statistic[] => {
    const known = asked.get(granularity) ?? estimatorStatistics(options, granularity);
    asked.set(granularity, known);
    return known;
  };
  return new Map(
    [...layout.activations.values()].flatMap((quantizer) => {
      const schemes = activationSchemes(quantizer, layout, view.hardware, options);
      const { kept } = withinScope(
        schemes,
        baseScheme(schemes, "activations", options, view.hardware),
        options.tuningScope,
      );
      const statistics = new Map(
        kept
          .flatMap(({ granularity }) => ofGranularity(granularity))
          .map((statistic) => [statisticName(statistic), statistic]),
      );
      return quantizer.sources.map((tensor): [string, Statistic[]] => [
        tensor,
        [...statistics.values()].map((statistic) => ofTensor(statistic, tensor, view)),
      ]);
    }),
  );
}

/** The statistics that range estimators of one granularity (per tensor or per channel) need, in both modes. */
function estimatorStatistics(options: TuningOptions, granularity: Granularity): Statistic[] {
  const statistics = new Map<string, Statistic>();
  const pinned = pinnedEstimator(options, "activations");
  const isTuned = (scope: EstimatorScope): boolean =>
    options.tuningScope.has("range_estimator") && options.estimatorScope.has(scope);
  const presets = tunedPresets(options, "activations");
  for (const mode of ["symmetric", "asymmetric"] satisfies Mode[]) {
    for (const preset of presets) {
      const estimator = overrideEstimator(activationEstimator(preset, mode, granularity), pinned);
      for (const side of ["min", "max"] as const) {
        const { type, outlierProb = DEFAULT_OUTLIER_PROB } = estimator[side]!;
        const probabilities = [outlierProb, ...(isTuned("outlier_prob") ? options.outlierProbChoices : [])];
        for (const asked of isTuned("type") ? [type, ...SIDE_TYPES[side]] : [type]) {
          for (const probability of isQuantile(asked) ? probabilities : [0]) {
            // In symmetric mode all channels are signed or none, so the lower end is needed for the whole
            // tensor.
            const ofWhole = granularity === "pertensor" || (mode === "symmetric" && side === "min");
            for (const statistic of ofWhole
              ? statisticsOf(asked, side, probability)
              : channelStatisticsOf(asked, side, probability, ACTIVATION_CHANNEL_AXIS)) {
              statistics.set(statisticName(statistic), statistic);
            }
          }
        }
      }
    }
  }
  return [...statistics.values()];
}

function ofTensor(statistic: Statistic, tensor: string, view: OperandView): Statistic {
  if (statistic.type !== "output_histogram") return statistic;
  const channels = channelSensitivity(tensor, view);
  return channels === undefined ? statistic : { ...statistic, channels };
}
