import {
  alignChannels,
  alignmentStatistics,
  findAlignablePairs,
} from "../quantization/algorithms/activation-channel-alignment.js";
import { equalizeLayers, findEqualizablePairs } from "../quantization/algorithms/cross-layer-equalization.js";
import { statisticsKey } from "../statistics/cache-key.js";
import { collectStatistics } from "../statistics/collect.js";
import { readStatistics, writeStatisticsShard } from "../statistics/shard-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { fixedBatchSize } from "./batching.js";
import { calibrationBatches, calibrationSamples } from "./calibration.js";
import type { Dataset } from "./data/dataset.js";
import { onnxruntimeVersion } from "./session.js";
import { makeSubject, type Subject } from "./subject.js";

const WHOLE = { index: 0, count: 1 };

/**
 * The subject after the algorithms that rewrite the float model: CrossLayerEqualization, which follows from the weights
 * alone, then ActivationChannelAlignment.
 *
 * @param openStatistics opens the store where statistics are kept by content
 */
export function rewrittenSubject(
  subject: Subject,
  calibration: Dataset,
  openStatistics: () => Promise<ObjectStore>,
): Promise<Subject> {
  return alignedSubject(equalizedSubject(subject), calibration, openStatistics);
}

function equalizedSubject(subject: Subject): Subject {
  const { prepared, settings, view } = subject;
  if (settings.layerEqualization === undefined) return subject;
  const pairs = findEqualizablePairs(view.index, settings.layerEqualization.ignored);
  if (pairs.length === 0) return subject;
  const model = equalizeLayers(prepared.model, view.index, pairs);
  const names = pairs.map(({ producer, consumer }) => `${producer.output[0]} ${consumer.output[0]}`);
  const rewritings = [...prepared.rewritings, `CrossLayerEqualization ${JSON.stringify(names)}`];
  return makeSubject({ ...prepared, model, rewritings }, settings);
}

/** What alignment follows from is gathered once and kept by content, so that all workers of a run align alike. */
async function alignedSubject(
  subject: Subject,
  calibration: Dataset,
  openStatistics: () => Promise<ObjectStore>,
): Promise<Subject> {
  const { prepared, settings, view } = subject;
  if (settings.channelAlignment === undefined) return subject;
  const pairs = findAlignablePairs(view.index, settings.channelAlignment.ignored);
  if (pairs.length === 0) return subject;
  const statistics = await openStatistics();
  const samples = calibrationSamples(calibration.samples, settings.channelAlignment.sampling);
  const requirement = alignmentStatistics(pairs);
  const key = statisticsKey({
    modelSha256: prepared.sha256,
    rewritings: prepared.rewritings,
    dataHash: calibration.contentHash,
    samples,
    requirement,
    onnxruntime: onnxruntimeVersion(),
  });
  let table = await readStatistics(statistics, key, WHOLE.count);
  if (table === undefined) {
    const batches = calibrationBatches(calibration, samples, fixedBatchSize(prepared.inputs));
    await writeStatisticsShard(
      statistics,
      key,
      WHOLE,
      await collectStatistics(prepared.model, requirement, batches),
    );
    table = (await readStatistics(statistics, key, WHOLE.count))!;
  }
  const model = alignChannels(prepared.model, view.index, pairs, table);
  const rewritings = [...prepared.rewritings, `ActivationChannelAlignment ${key}`];
  return makeSubject({ ...prepared, model, rewritings }, settings);
}
