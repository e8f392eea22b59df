import { adjustingAlgorithms } from "../../quantization/algorithms/algorithm.js";
import type { Configuration } from "../../search/space/space.js";
import { derivedKey } from "../../statistics/cache-key.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { collectSecondMoments } from "../../statistics/second-moments.js";
import { keptStatistics } from "../../statistics/shard-store.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { Subject } from "../model/tunable-model.js";
import { keptInputErrors } from "./propagated-input-errors.js";
import { Quantizer } from "./quantizer.js";

/** What a quantizer is made from, apart from the calibration statistics themselves. */
export interface Calibration {
  readonly subject: Subject;
  readonly batches: CalibrationBatches;
  /** Store key of the statistics: a hash of the model, the samples and what is gathered of them. */
  readonly statisticsKey: string;
  /** Store of calibration statistics under hashes of what they depend on, shared by runs. */
  readonly store: ObjectStore;
}

/**
 * A quantizer with the tables that its algorithms need beside the statistics (second moments and input
 * errors). The tables are stored, so that all workers of a run quantize alike.
 *
 * @param propagated the configuration that BiasCorrection measures input errors with, and for which its
 * correction is exact; the base when left out
 */
export async function openQuantizer(
  calibration: Calibration,
  statistics: StatisticsTable,
  propagated: Configuration = calibration.subject.space.base,
): Promise<Quantizer> {
  const tables = { secondMoments: await keptSecondMoments(calibration) };
  const inputErrors = await keptInputErrors({ ...calibration, statistics, tables }, propagated);
  return new Quantizer(calibration.subject, statistics, { ...tables, inputErrors });
}

/**
 * The second moments of inputs (E[x xᵀ]) that the algorithms need, gathered where they are not stored yet;
 * `undefined` if none need any.
 */
export async function keptSecondMoments(
  { subject, batches, statisticsKey, store }: Calibration,
  signal?: AbortSignal,
): Promise<StatisticsTable | undefined> {
  const needed = adjustingAlgorithms(subject.settings.algorithms).flatMap(({ algorithm, settings }) => {
    const sources = algorithm.secondMoments?.(subject, settings);
    return sources === undefined ? [] : [sources];
  });
  if (needed.length === 0) return undefined;
  const sources = [...new Map(needed.flat().map((source) => [source.key, source])).values()];
  return keptStatistics(store, derivedKey(statisticsKey, "second-moments", sources), () =>
    collectSecondMoments(subject.prepared.model, sources, batches, signal),
  );
}
