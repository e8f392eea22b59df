import { resolvePath } from "../../configuration/parse.js";
import { quantizationSettings } from "../../configuration/quantization-settings.js";
import type { ConfigurationFor } from "../../configuration/supported.js";
import type { Dataset } from "../../data/dataset.js";
import { loadDataset } from "../../data/load-dataset.js";
import type { ContentFolder } from "../../run/store/content-cache.js";
import { onnxruntimeVersion } from "../../runtime/session.js";
import { statisticsKey } from "../../statistics/cache-key.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { calibrationBatches, calibrationSamples } from "../model/calibration.js";
import { requireKnownScope } from "../model/ignored-scope-check.js";
import { ModelVariants } from "../model/model-variants.js";
import { rewrittenSubject } from "../model/rewritten-model.js";
import { openSubject, requireQuantizable, type Subject } from "../model/tunable-model.js";

/**
 * Model and calibration samples, from which statistics are gathered; without evaluation samples and metric.
 */
export interface CalibrationWorkload {
  readonly modelPath: string;
  /** The float model before any algorithm rewrites it. */
  readonly original: Subject;
  readonly calibration: Dataset;
  /** Indexes of the calibration samples that are used. */
  readonly calibrated: readonly number[];
  readonly fixedBatch: number | undefined;
  readonly variants: ModelVariants;
  /** The batches that statistics are gathered over; each shard is made of whole batches. */
  readonly calibrationBatches: CalibrationBatches;
}

/**
 * Reads model and calibration samples; gathers no statistics.
 *
 * @param openStatistics opens the store of statistics, which are stored under hashes of what they depend on
 * @param contents cache folder that keeps the prepared model for later processes
 * @throws {ConfigurationError | ModelError | DataError}
 */
export async function loadCalibration(
  configuration: ConfigurationFor<"tune">,
  directory: string,
  openStatistics: () => Promise<ObjectStore>,
  contents?: ContentFolder,
): Promise<CalibrationWorkload> {
  const { engine, model } = configuration;
  const modelPath = resolvePath(directory, model.model);
  const settings = quantizationSettings(configuration);
  const original = await openSubject(modelPath, settings, contents);
  const { prepared } = original;
  requireKnownScope(original, modelPath);
  requireQuantizable(original, modelPath);
  const { inputs } = prepared;
  const calibration = await loadDataset(engine.calibration, {
    directory,
    inputs,
    path: "engine.calibration",
  });
  const calibrated = calibrationSamples(calibration.samples, settings.sampling);
  const { fixedBatch } = calibration;
  const variants = new ModelVariants(
    original,
    (asked) => rewrittenSubject(asked, calibration, openStatistics),
    (rewritten) =>
      statisticsKey({
        modelSha256: prepared.sha256,
        rewritings: rewritten.prepared.rewritings,
        dataHash: calibration.contentHash,
        samples: calibrated,
        requirement: rewritten.statistics,
        onnxruntime: onnxruntimeVersion(),
      }),
  );
  const batches = calibrationBatches(calibration, calibrated);
  return { modelPath, original, calibration, calibrated, fixedBatch, variants, calibrationBatches: batches };
}
