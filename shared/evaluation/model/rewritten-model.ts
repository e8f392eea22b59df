import type { Dataset } from "../../data/dataset.js";
import type { Sampling } from "../../quantization/algorithms/algorithm-parameters.js";
import { onnxruntimeVersion } from "../../runtime/session.js";
import { statisticsKey } from "../../statistics/cache-key.js";
import { collectStatistics } from "../../statistics/collect.js";
import type { StatisticsRequirement } from "../../statistics/requirement.js";
import { keptStatistics } from "../../statistics/shard-store.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { calibrationBatches, calibrationSamples } from "./calibration.js";
import { makeSubject, type Subject } from "./tunable-model.js";

/**
 * The subject (the model with its quantizers and search space) after all configured algorithms that rewrite
 * the float model, one after the other.
 *
 * @param openStatistics opens the store of statistics, which are stored under hashes of what they depend on
 */
export async function rewrittenSubject(
  subject: Subject,
  calibration: Dataset,
  openStatistics: () => Promise<ObjectStore>,
): Promise<Subject> {
  const { algorithms, sampling } = subject.settings;
  const saturationFixed = new Set<string>();
  let rewritten = subject;
  for (const { algorithm, settings } of algorithms) {
    const rewriting =
      algorithm.stage === "rewrite" ? algorithm.findRewriting(rewritten, settings) : undefined;
    if (rewriting === undefined) continue;
    const { prepared } = rewritten;
    const { key, table } = await gather(
      { subject: rewritten, calibration, openStatistics },
      settings.sampling ?? sampling,
      rewriting.statistics,
    );
    const result = rewriting.apply(prepared.model, table, key);
    if (result === undefined) continue;
    for (const op of result.saturationFixed ?? []) saturationFixed.add(op);
    const rewritings = [...prepared.rewritings, result.description];
    rewritten = makeSubject(
      { ...prepared, model: result.model, rewritings },
      subject.settings,
      saturationFixed,
    );
  }
  return rewritten;
}

interface Gathering {
  readonly subject: Subject;
  readonly calibration: Dataset;
  readonly openStatistics: () => Promise<ObjectStore>;
}

/**
 * Statistics of a subject's model, gathered once and stored under a hash of what they depend on, so that all
 * workers of a run rewrite the model alike.
 */
async function gather(
  { subject: { prepared }, calibration, openStatistics }: Gathering,
  sampling: Sampling,
  requirement: StatisticsRequirement,
): Promise<{ readonly key: string; readonly table: StatisticsTable }> {
  const statistics = await openStatistics();
  const samples = calibrationSamples(calibration.samples, sampling);
  const key = statisticsKey({
    modelSha256: prepared.sha256,
    rewritings: prepared.rewritings,
    dataHash: calibration.contentHash,
    samples,
    requirement,
    onnxruntime: onnxruntimeVersion(),
  });
  const table = await keptStatistics(statistics, key, async () =>
    collectStatistics(prepared.model, requirement, calibrationBatches(calibration, samples)),
  );
  return { key, table };
}
