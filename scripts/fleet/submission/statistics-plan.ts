import type { ModelVariants } from "../../../shared/evaluation/model/model-variants.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import type { CalibrationBatches } from "../../../shared/statistics/collect.js";

/** Gathering statistics over a plain run (runtime-facts.md, "onnxruntime-node 1.30.0"): with the tails, about twice. */
const STATISTICS_FACTOR = 2;
/** What a collector takes to start, and to fetch and open what a run works on, after which it would begin to gather. */
const COLLECTOR_START_SECONDS = 2;

/** What is gathered, of a workload. */
interface ToGather {
  readonly calibrationBatches: Pick<CalibrationBatches, "count">;
  /** Samples a batch, where the model fixes them. */
  readonly fixedBatch: number | undefined;
  readonly variants: Pick<ModelVariants, "forms">;
}

/**
 * What gathering the statistics takes on one whole processor.
 * @param secondsPerSample one inference of the float model
 */
export function gatheringSeconds(
  { calibrationBatches, fixedBatch, variants }: ToGather,
  secondsPerSample: number,
): number {
  const calibrated = calibrationBatches.count * (fixedBatch ?? 1);
  return variants.forms * STATISTICS_FACTOR * calibrated * secondsPerSample;
}

/**
 * Who gathers the statistics: collectors side by side where there is enough to gather, else the first evaluator to be
 * there. It opens the same model anyway, and would be done before a collector begins.
 *
 * @param collectors as many as the work is spread over at most
 */
export function planGathering(
  workload: ToGather,
  secondsPerSample: number,
  collectors: number,
): Omit<RunRequest["statistics"], "key"> {
  if (gatheringSeconds(workload, secondsPerSample) < COLLECTOR_START_SECONDS)
    return { shards: 1, by: "evaluators" };
  return { shards: Math.min(collectors, workload.calibrationBatches.count), by: "collectors" };
}
