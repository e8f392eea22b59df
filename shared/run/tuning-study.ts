import type { Metric } from "../scoring/metrics/metric.js";
import { createTpeSampler } from "../search/tpe-sampler.js";
import type { RunRequest } from "./request.js";
import type { Measurement } from "./state.js";
import type { Judgement, References, Study } from "./study.js";

/** Search and metric of a tuning run, as the reducer needs them. */
export function tuningStudy(metric: Metric): Study {
  return {
    createSampler: ({ space, seed, base, optimizer }, sensitivity) =>
      createTpeSampler(space, {
        seed,
        base,
        maxTrials: optimizer.maxTrials,
        ...(sensitivity === undefined ? {} : { sensitivity }),
      }),
    aggregate: (rows) => metric.aggregate(rows),
    judge: (trial, references, request) => judge(metric, trial, references, request),
  };
}

function judge(
  metric: Metric,
  trial: Measurement,
  { float }: References,
  { optimizer }: RunRequest,
): Judgement {
  const loss = metric.loss(float.metric, trial.metric);
  const violation = Math.max(0, loss - optimizer.accuracyLoss / 100);
  const ratio = trial.latency?.ratio ?? 1;
  const value = optimizer.minimize === "size" ? trial.bytes / float.bytes : 1 / ratio;
  return {
    values: [value],
    violation,
    meetsTarget: violation === 0 && ratio >= optimizer.latencyReduce,
  };
}
