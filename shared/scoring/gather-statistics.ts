import { shardRange } from "../run/identifiers.js";
import { MESSAGE_VERSION, type StatisticsJob, type StatisticsReported } from "../run/messages.js";
import { collectStatistics } from "../statistics/collect.js";
import { hasStatisticsShard, readStatistics, writeStatisticsShard } from "../statistics/shard-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { sliceBatches } from "./calibration.js";
import { keptSensitivity } from "./group-sensitivity.js";
import { roundingMoments } from "./open-quantizer.js";
import type { Workload } from "./workload.js";

const MAX_REASON = 2_000;

/** What a statistics job needs; neither evaluation data nor metric. */
export interface StatisticsContext {
  readonly workload: Pick<Workload, "calibrationBatches" | "subject" | "statisticsKey">;
  /** Statistics by content, which outlive the run. */
  readonly statistics: ObjectStore;
  readonly now: () => number;
}

/**
 * Gathers one shard of the statistics, unless it is there already; where all are there then, measures the groups'
 * sensitivity. What goes wrong is the answer; only an abort throws.
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
      const reason = error instanceof Error ? error.message : String(error);
      return { state: "failed" as const, reason: reason.slice(0, MAX_REASON) };
    },
  );
  const { runId, attempt, shard } = job;
  const at = context.now();
  return { version: MESSAGE_VERSION, type: "StatisticsReported", runId, attempt, at, shard, outcome };
}

async function gatherShard(
  { key, shard }: StatisticsJob,
  { workload, statistics }: StatisticsContext,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, number>> | undefined> {
  const { subject, calibrationBatches, statisticsKey } = workload;
  const calibration = { subject, batches: calibrationBatches, statisticsKey, store: statistics };
  if (shard.index === 0) await roundingMoments(calibration, signal);
  if (!(await hasStatisticsShard(statistics, key, shard))) {
    const { start, end } = shardRange(shard, calibrationBatches.count);
    const batches = sliceBatches(calibrationBatches, start, end);
    const table = await collectStatistics(subject.prepared.model, subject.statistics, batches, signal);
    await writeStatisticsShard(statistics, key, shard, table);
  }
  // Scales follow from all shards: whoever finds them together measures, two at once the same.
  const gathered = await readStatistics(statistics, key, shard.count);
  return gathered && keptSensitivity(calibration, gathered, signal);
}
