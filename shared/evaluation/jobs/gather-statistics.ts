import { shardRange } from "../../basics/identifiers.js";
import { failedOutcome } from "../../run/protocol/failed-outcome.js";
import { MESSAGE_VERSION, type StatisticsJob, type StatisticsReported } from "../../run/protocol/messages.js";
import { collectStatistics } from "../../statistics/collect.js";
import { hasStatisticsShard, readStatistics, writeStatisticsShard } from "../../statistics/shard-store.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { sliceBatches } from "../model/calibration.js";
import { type GroupSensitivity, keptSensitivity } from "../quantizer/group-sensitivity.js";
import { keptSecondMoments } from "../quantizer/open-quantizer.js";
import type { Workload } from "../workload/workload.js";

/** What a statistics job needs: neither evaluation data nor a metric. */
export interface StatisticsContext {
  readonly workload: Pick<Workload, "calibrationBatches" | "variants">;
  /** Store of calibration statistics under hashes of what they depend on, shared by runs. */
  readonly statistics: ObjectStore;
  readonly now: () => number;
}

/**
 * Gathers the statistics of one shard (a part of the calibration samples) unless they are stored already. If
 * all shards are stored then, measures the sensitivity of the groups (tensors that share a quantizer choice).
 * A failure becomes the report's outcome; only an abort throws.
 */
export async function runStatisticsJob(
  job: StatisticsJob,
  context: StatisticsContext,
  signal?: AbortSignal,
): Promise<StatisticsReported> {
  const started = performance.now();
  const outcome = await gatherShard(job, context, signal).then(
    (sensitivity) => ({
      state: "complete" as const,
      ...(sensitivity === undefined ? {} : { sensitivity }),
      seconds: (performance.now() - started) / 1000,
    }),
    (error: unknown) => {
      signal?.throwIfAborted();
      return failedOutcome(error);
    },
  );
  const { runId, attempt, shard } = job;
  const at = context.now();
  return { version: MESSAGE_VERSION, type: "StatisticsReported", runId, attempt, at, shard, outcome };
}

/**
 * Gathers a shard's statistics for every rewritten form of the float model that a configuration can choose.
 * Returns the sensitivity of the groups if all shards are stored then.
 */
async function gatherShard(
  { shard }: StatisticsJob,
  { workload, statistics }: StatisticsContext,
  signal: AbortSignal | undefined,
): Promise<GroupSensitivity | undefined> {
  const { variants, calibrationBatches } = workload;
  const { start, end } = shardRange(shard, calibrationBatches.count);
  const batches = sliceBatches(calibrationBatches, start, end);
  for (const { subject, statisticsKey } of await variants.rewritten()) {
    if (shard.index === 0) {
      const whole = { subject, batches: calibrationBatches, statisticsKey, store: statistics };
      await keptSecondMoments(whole, signal);
    }
    if (await hasStatisticsShard(statistics, statisticsKey, shard)) continue;
    const table = await collectStatistics(subject.prepared.model, subject.statistics, batches, signal);
    await writeStatisticsShard(statistics, statisticsKey, shard, table);
  }
  // Sensitivity needs quantizer scales, and these the statistics of all shards: the job that finds all of
  // them measures it. Two jobs that do so at once measure the same.
  const [first] = await variants.rewritten();
  const { subject, statisticsKey } = await variants.of(first!.subject.space.base);
  const gathered = await readStatistics(statistics, statisticsKey, shard.count);
  const calibration = { subject, batches: calibrationBatches, statisticsKey, store: statistics };
  return gathered && keptSensitivity(calibration, gathered, signal);
}
