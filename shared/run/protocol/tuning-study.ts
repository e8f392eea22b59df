import type { Metric } from "../../metrics/metric.js";
import { createTpeSampler } from "../../search/samplers/tpe-sampler.js";
import {
  judgeMeasurement,
  type Objective,
  type ObjectiveMeasurement,
  pickBest,
} from "../../search/trials/objective.js";
import type { RunRequest } from "./request.js";
import type { Measurement } from "./state.js";
import type { Judgement, References, Study } from "./study.js";

/** Sampler, objective and metric of a tuning run. */
export function tuningStudy(metric: Metric): Study {
  return {
    createSampler: ({ space, seed, base, optimizer }, sensitivity) =>
      createTpeSampler(space, {
        seed,
        base,
        maxTrials: optimizer.maxTrials,
        startAroundBase: optimizer.sensitivity,
        ...(sensitivity === undefined ? {} : { sensitivity }),
      }),
    aggregate: (rows) => metric.aggregate(rows),
    judge: (trial, references, request) => judge(metric, trial, references, request),
    pickBest: (trials, request) => pickBest(objectiveOf(request), trials),
  };
}

function judge(metric: Metric, trial: Measurement, references: References, request: RunRequest): Judgement {
  const { float, base } = references;
  const measured = (measurement: Measurement): ObjectiveMeasurement => ({
    accuracyDrop: metric.loss(
      float.metric,
      measurement.reachable === undefined ? measurement.metric : float.metric + measurement.reachable,
    ),
    latencyRatio: measurement.latency?.ratio ?? 1,
    ...(measurement.latency === undefined
      ? {}
      : { latencyRatioNoise: measurement.latency.ratio * measurement.latency.noise }),
    bytes: measurement.bytes,
    floatBytes: float.bytes,
    quantizedRatio: measurement.quantizedShare.byCount,
  });
  const scaling = request.lossReference ?? (base && measured(base));
  const judged = judgeMeasurement(objectiveOf(request), measured(trial), scaling);
  const { accuracyLoss, latencyReduce, measureLatency } = request.optimizer;
  const withinBound = judged.accuracyLoss <= accuracyLoss;
  const fastEnough = !measureLatency || (trial.latency?.ratio ?? 0) >= latencyReduce;
  return { ...judged, withinBound, meetsTarget: withinBound && fastEnough };
}

function objectiveOf({ optimizer }: RunRequest): Objective {
  const { objective, minimize, accuracyLoss } = optimizer;
  switch (objective) {
    case "constrained":
    case "pareto":
      return { kind: objective, minimize, accuracyLoss };
    case "loss":
      return {
        kind: "loss",
        parameters: {
          accuracyLoss: accuracyLoss / 100,
          latencyReduce: optimizer.latencyReduce,
          accuracyWeight: optimizer.accuracyWeight,
          latencyWeight: optimizer.latencyWeight,
          expectedQuantizationRatio: optimizer.expectedQuantizationRatio,
          quantizationRatioWeight: optimizer.quantizationRatioWeight,
        },
      };
  }
}
