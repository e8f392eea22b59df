import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { unboundedOps } from "../../shared/quantization/bounded-plan.js";
import { presetOptions, TRIED_PRESETS, triesPresets } from "../../shared/quantization/preset-options.js";
import type { EstimatorPreset } from "../../shared/quantization/range-estimator.js";
import { configurationHash } from "../../shared/run/configuration/hash.js";
import { resolvePath } from "../../shared/run/configuration/parse.js";
import { quantizationSettings } from "../../shared/run/configuration/quantization-settings.js";
import { requireSupported } from "../../shared/run/configuration/supported.js";
import { fixedBatchSize } from "../../shared/scoring/batching.js";
import { calibrationBatches, calibrationSamples } from "../../shared/scoring/calibration.js";
import { closestPreset } from "../../shared/scoring/closest-preset.js";
import { loadDataset } from "../../shared/scoring/data/dataset.js";
import { findIntegerKernels, type IntegerKernels } from "../../shared/scoring/integer-kernels.js";
import { requireKnownScope } from "../../shared/scoring/known-scope.js";
import { encodeFiles, withProperties } from "../../shared/scoring/model-files.js";
import { ModelVariants } from "../../shared/scoring/model-variants.js";
import { openQuantizer } from "../../shared/scoring/open-quantizer.js";
import type { QuantizedShare } from "../../shared/scoring/quantizer.js";
import { rewrittenSubject } from "../../shared/scoring/rewritten-subject.js";
import { onnxruntimeVersion } from "../../shared/scoring/session.js";
import { openSubject, requireQuantizable } from "../../shared/scoring/subject.js";
import { statisticsKey } from "../../shared/statistics/cache-key.js";
import { collectStatistics } from "../../shared/statistics/collect.js";
import { readStatistics, writeStatisticsShard } from "../../shared/statistics/shard-store.js";
import { type ConfigurationSource, loadConfiguration } from "./configuration.js";
import { readConfigurationDocument } from "./configuration-document.js";
import { OUTPUT_FILES, requireWritable, writeWhole } from "./output-folder.js";
import { openStatistics, requireStatisticsFolder } from "./statistics-folder.js";

export interface QuantizeOptions {
  readonly out?: string;
  /** A `configuration.json` that tune wrote; the preset's configuration when left out. */
  readonly configuration?: string;
}

export interface QuantizeResult {
  /** The path of the quantized model. */
  readonly model: string;
  readonly modelBytes: number;
  readonly floatModelBytes: number;
  readonly quantizedShare: QuantizedShare;
  /** The preset of activations' estimators whose outputs were closest to the float model's; unless one was pinned. */
  readonly estimatorPreset?: EstimatorPreset;
  /** The part of it that has no integer kernel: simulated in QDQ, it buys size, not speed. */
  readonly simulatedShare: QuantizedShare;
  readonly integerKernels: IntegerKernels;
  /** Ops that no configuration can quantize on these calibration samples, and why. */
  readonly unquantizable: readonly {
    readonly name: string;
    readonly type: string;
    readonly reason: string;
  }[];
}

const WHOLE = { index: 0, count: 1 };

/**
 * Quantizes a model without a search: by the preset, or by the choices of an earlier run.
 *
 * @example
 * const { model } = await quantize("config.json", { out: "quantized" });
 *
 * @throws {ConfigurationError | ModelError | DataError} before anything is written
 */
export async function quantize(
  source: ConfigurationSource,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  const { configuration, directory } = await loadConfiguration(source);
  requireSupported(configuration, "quantize");
  const out = resolve(options.out ?? `quantfleet-${configuration.model.model_name ?? "model"}`);
  await requireWritable(out);
  await requireStatisticsFolder();
  const modelPath = resolvePath(directory, configuration.model.model);
  const asked = quantizationSettings(configuration);
  // The choices of an earlier run leave out what its scope did not hold, and mean it as that run did.
  const settings =
    options.configuration === undefined ? { ...asked, options: presetOptions(asked.options) } : asked;
  const original = await openSubject(modelPath, settings);
  const { prepared } = original;
  requireKnownScope(original, modelPath);
  requireQuantizable(original, modelPath);
  const dataset = await loadDataset(configuration.engine.calibration, {
    directory,
    inputs: prepared.inputs,
    path: "engine.calibration",
  });
  const earlier =
    options.configuration === undefined
      ? undefined
      : await readConfigurationDocument(options.configuration, original);
  const samples = calibrationSamples(dataset.samples, settings.sampling);
  const fixedBatch = fixedBatchSize(prepared.inputs);
  const batches = calibrationBatches(dataset, samples, fixedBatch);
  const variants = new ModelVariants(
    original,
    (subject) => rewrittenSubject(subject, dataset, openStatistics),
    (subject) =>
      statisticsKey({
        modelSha256: prepared.sha256,
        rewritings: subject.prepared.rewritings,
        dataHash: dataset.contentHash,
        samples,
        requirement: subject.statistics,
        onnxruntime: onnxruntimeVersion(),
      }),
  );
  const { subject, statisticsKey: key } = await variants.of(earlier ?? original.space.base);
  const cache = await openStatistics();
  let statistics = await readStatistics(cache, key, WHOLE.count);
  if (statistics === undefined) {
    statistics = await collectStatistics(subject.prepared.model, subject.statistics, batches);
    await writeStatisticsShard(cache, key, WHOLE, statistics);
  }
  const calibration = { subject, batches, statisticsKey: key, store: cache };
  const quantizer = await openQuantizer(calibration, statistics, earlier);
  const tried =
    earlier === undefined && triesPresets(asked.options)
      ? await closestPreset(subject, quantizer, batches, TRIED_PRESETS, configuration.engine.session)
      : undefined;
  const choices = earlier ?? tried?.choices ?? subject.space.base;
  const quantized = quantizer.quantize(choices);
  const hash = configurationHash(configuration);
  const files = encodeFiles(
    withProperties(quantized.model, {
      "quantfleet.configuration": hash,
      "quantfleet.choices": createHash("sha256").update(JSON.stringify(choices)).digest("hex"),
    }),
    prepared.external,
  );
  const model = join(out, OUTPUT_FILES.model);
  if (files.data !== undefined) await writeWhole(join(out, OUTPUT_FILES.externalData), files.data);
  await writeWhole(model, files.model);
  return {
    model,
    modelBytes: files.model.byteLength + (files.data?.byteLength ?? 0),
    floatModelBytes: prepared.bytes,
    quantizedShare: quantized.quantizedShare,
    ...(tried === undefined ? {} : { estimatorPreset: tried.preset }),
    simulatedShare: quantized.simulatedShare,
    integerKernels: await findIntegerKernels(
      quantized.model,
      subject.layout,
      quantized.plan,
      configuration.engine.session,
    ),
    unquantizable: [...subject.layout.unquantizable, ...unboundedOps(subject.layout, quantized.unbounded)],
  };
}
