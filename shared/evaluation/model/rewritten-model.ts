import type { Sampling } from "../../configuration/quantization-settings.js";
import type { Dataset } from "../../data/dataset.js";
import {
  alignChannels,
  alignmentStatistics,
  findAlignablePairs,
} from "../../quantization/algorithms/activation-channel-alignment.js";
import {
  equalizeLayers,
  findEqualizablePairs,
} from "../../quantization/algorithms/cross-layer-equalization.js";
import { equalizationStatistics, gainingPairs } from "../../quantization/algorithms/equalization-gain.js";
import {
  findSmoothableTensors,
  smoothActivations,
  smoothingStatistics,
} from "../../quantization/algorithms/smooth-quant.js";
import { planQuantization } from "../../quantization/space/plan.js";
import { onnxruntimeVersion } from "../../runtime/session.js";
import { statisticsKey } from "../../statistics/cache-key.js";
import { collectStatistics } from "../../statistics/collect.js";
import type { StatisticsRequirement } from "../../statistics/requirement.js";
import { readStatistics, writeStatisticsShard } from "../../statistics/shard-store.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { calibrationBatches, calibrationSamples } from "./calibration.js";
import { makeSubject, type Subject } from "./tunable-model.js";

const WHOLE = { index: 0, count: 1 };

/**
 * The subject after the algorithms that rewrite the float model: CrossLayerEqualization, SmoothQuant and
 * ActivationChannelAlignment. What layers gain by being equalized is judged by the base configuration.
 *
 * @param openStatistics opens the store where statistics are kept by content
 */
export async function rewrittenSubject(
  subject: Subject,
  calibration: Dataset,
  openStatistics: () => Promise<ObjectStore>,
): Promise<Subject> {
  const gather = gathering(calibration, openStatistics);
  return alignedSubject(await smoothedSubject(await equalizedSubject(subject, gather), gather), gather);
}

async function equalizedSubject(subject: Subject, gather: Gather): Promise<Subject> {
  const { prepared, settings, view, layout, hardware, space } = subject;
  if (settings.layerEqualization === undefined) return subject;
  const found = findEqualizablePairs(view.index, settings.layerEqualization.ignored);
  if (found.length === 0) return subject;
  const { table } = await gather(subject, settings.sampling, equalizationStatistics(found));
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  const pairs = gainingPairs(found, view.index, layout, plan, table);
  if (pairs.length === 0) return subject;
  const model = equalizeLayers(prepared.model, view.index, pairs);
  const names = pairs.map(({ producer, consumer }) => `${producer.output[0]} ${consumer.output[0]}`);
  const rewritings = [...prepared.rewritings, `CrossLayerEqualization ${JSON.stringify(names)}`];
  return makeSubject({ ...prepared, model, rewritings }, settings);
}

async function smoothedSubject(subject: Subject, gather: Gather): Promise<Subject> {
  const { prepared, settings, view } = subject;
  if (settings.smoothing === undefined) return subject;
  const { alpha, ignored, sampling } = settings.smoothing;
  const found = findSmoothableTensors(view.index, prepared.tensors, ignored);
  if (found.length === 0) return subject;
  const { key, table } = await gather(subject, sampling, smoothingStatistics(found));
  const model = smoothActivations(prepared.model, view.index, found, table, alpha);
  const rewritings = [...prepared.rewritings, `SmoothQuant ${alpha} ${key}`];
  return makeSubject({ ...prepared, model, rewritings }, settings);
}

async function alignedSubject(subject: Subject, gather: Gather): Promise<Subject> {
  const { prepared, settings, view } = subject;
  if (settings.channelAlignment === undefined) return subject;
  const pairs = findAlignablePairs(view.index, settings.channelAlignment.ignored);
  if (pairs.length === 0) return subject;
  const { key, table } = await gather(
    subject,
    settings.channelAlignment.sampling,
    alignmentStatistics(pairs),
  );
  const model = alignChannels(prepared.model, view.index, pairs, table);
  const rewritings = [...prepared.rewritings, `ActivationChannelAlignment ${key}`];
  const aligned = new Set(pairs.map(({ consumer }) => consumer.output[0]!));
  return makeSubject({ ...prepared, model, rewritings }, settings, aligned);
}

type Gather = (
  subject: Subject,
  sampling: Sampling,
  requirement: StatisticsRequirement,
) => Promise<{ readonly key: string; readonly table: StatisticsTable }>;

/** What a rewriting follows from is gathered once and kept by content, so that all workers of a run rewrite alike. */
function gathering(calibration: Dataset, openStatistics: () => Promise<ObjectStore>): Gather {
  return async ({ prepared }, sampling, requirement) => {
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
    const kept = await readStatistics(statistics, key, WHOLE.count);
    if (kept !== undefined) return { key, table: kept };
    const batches = calibrationBatches(calibration, samples);
    const gathered = await collectStatistics(prepared.model, requirement, batches);
    await writeStatisticsShard(statistics, key, WHOLE, gathered);
    return { key, table: (await readStatistics(statistics, key, WHOLE.count))! };
  };
}
