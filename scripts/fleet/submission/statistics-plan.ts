import type { ModelVariants } from "../../../shared/evaluation/model/model-variants.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { CalibrationBatches } from "../../../shared/statistics/collect.js";

/**
 * Duration of gathering statistics relative to plain inference on the same samples, including the sorts for
 * quantiles.
 */
const STATISTICS_FACTOR = 2;
/**
 * Seconds until a new collector (function that gathers statistics) starts to gather: its cold start, and fetching
 * and opening the workload.
 */
const COLLECTOR_START_SECONDS = 2;

/** The parts of a workload that determine how long gathering calibration statistics takes. */
interface StatisticsWork {
  readonly calibrationBatches: Pick<CalibrationBatches, "count">;
  /** Number of samples per batch, when the model fixes it. */
  readonly fixedBatch: number | undefined;
  readonly variants: Pick<ModelVariants, "forms">;
}

/**
 * Seconds that gathering the calibration statistics takes on one full processor.
 * @param secondsPerSample seconds of one inference of the float model
 */
export function statisticsSeconds(
  { calibrationBatches, fixedBatch, variants }: StatisticsWork,
  secondsPerSample: number,
): number {
  const calibrated = calibrationBatches.count * (fixedBatch ?? 1);
  return variants.forms * STATISTICS_FACTOR * calibrated * secondsPerSample;
}

/**
 * Plans who gathers the calibration statistics: parallel collectors (functions for this) when there is enough
 * work, otherwise the first evaluator, which opens the same model anyway and would finish before a collector has
 * started.
 *
 * @param collectors upper bound of collectors
 */
export function planStatistics(
  workload: StatisticsWork,
  secondsPerSample: number,
  collectors: number,
): Omit<RunRequest["statistics"], "key"> {
  if (statisticsSeconds(workload, secondsPerSample) < COLLECTOR_START_SECONDS)
    return { shards: 1, by: "evaluators" };
  return { shards: Math.min(collectors, workload.calibrationBatches.count), by: "collectors" };
}
