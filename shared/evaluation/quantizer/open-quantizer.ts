import { createHash } from "node:crypto";
import { roundingSources } from "../../quantization/algorithms/adaptive-rounding.js";
import type { Configuration } from "../../search/space/space.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { collectSecondMoments } from "../../statistics/second-moments.js";
import { readStatistics, writeStatisticsShard } from "../../statistics/shard-store.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { Subject } from "../model/tunable-model.js";
import { keptInputErrors } from "./propagated-input-errors.js";
import { Quantizer } from "./quantizer.js";

const WHOLE = { index: 0, count: 1 };

/** What a quantizer follows from, beside the statistics themselves. */
export interface Calibration {
  readonly subject: Subject;
  readonly batches: CalibrationBatches;
  /** Names the model, the samples and what is gathered of them. */
  readonly statisticsKey: string;
  /** Statistics by content, which outlive the run. */
  readonly store: ObjectStore;
}

/**
 * A quantizer with everything that its algorithms gather beside the statistics, which is kept by content, so that all
 * workers of a run quantize alike.
 *
 * @param propagated the configuration that BiasCorrection takes earlier ops from: for it alone the correction is exact;
 * the base when left out
 */
export async function openQuantizer(
  calibration: Calibration,
  statistics: StatisticsTable,
  propagated: Configuration = calibration.subject.space.base,
): Promise<Quantizer> {
  const { subject } = calibration;
  const moments = await roundingMoments(calibration);
  const tables = moments === undefined ? {} : { roundingMoments: moments };
  const errors =
    subject.settings.biasCorrection?.sequential === true
      ? { inputErrors: await keptInputErrors({ ...calibration, statistics, tables }, propagated) }
      : {};
  return new Quantizer(subject, statistics, { ...tables, ...errors });
}

/** What AdaptiveRounding rounds by; gathered where it is not kept yet. */
export async function roundingMoments(
  { subject, batches, statisticsKey, store }: Calibration,
  signal?: AbortSignal,
): Promise<StatisticsTable | undefined> {
  const { layout, view, prepared, settings } = subject;
  if (settings.adaptiveRounding === undefined) return undefined;
  const sources = roundingSources(layout, view, settings.adaptiveRounding);
  const asked = createHash("sha256").update(JSON.stringify(sources)).digest("hex");
  const key = `${statisticsKey}/second-moments/${asked}`;
  const kept = await readStatistics(store, key, WHOLE.count);
  if (kept !== undefined) return kept;
  const gathered = await collectSecondMoments(prepared.model, sources, batches, signal);
  await writeStatisticsShard(store, key, WHOLE, gathered);
  return readStatistics(store, key, WHOLE.count);
}
