import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { UsageError } from "../../shared/basics/errors.js";
import { withProcessor } from "../../shared/configuration/hardware-file.js";
import { configurationHash } from "../../shared/configuration/hash.js";
import { resolvePath } from "../../shared/configuration/parse.js";
import { quantizationSettings } from "../../shared/configuration/quantization-settings.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { controlFlowNotes } from "../../shared/evaluation/checks/control-flow-notes.js";
import { otherSectionWarnings } from "../../shared/evaluation/checks/data-warnings.js";
import { calibrationBatches, calibrationSamples } from "../../shared/evaluation/model/calibration.js";
import { requireKnownScope } from "../../shared/evaluation/model/ignored-scope-check.js";
import { encodeFiles, withProperties } from "../../shared/evaluation/model/model-files.js";
import { ModelVariants } from "../../shared/evaluation/model/model-variants.js";
import { rewrittenSubject } from "../../shared/evaluation/model/rewritten-model.js";
import { openSubject, requireQuantizable } from "../../shared/evaluation/model/tunable-model.js";
import { closestPreset } from "../../shared/evaluation/quantizer/closest-preset.js";
import {
  findIntegerKernels,
  type IntegerKernels,
} from "../../shared/evaluation/quantizer/integer-kernels.js";
import { measureExactness } from "../../shared/evaluation/quantizer/kernel-exactness.js";
import { openQuantizer } from "../../shared/evaluation/quantizer/open-quantizer.js";
import type { QuantizedShare } from "../../shared/evaluation/quantizer/quantizer.js";
import { requireBoundedSamples } from "../../shared/evaluation/workload/bounded-samples.js";
import { scoringNote, scoringSession } from "../../shared/quantization/device/scoring-session.js";
import { unboundedOps } from "../../shared/quantization/rewrite/bounded-plan.js";
import {
  exactClasses,
  isPortable,
  portabilityProperties,
} from "../../shared/quantization/rewrite/portability.js";
import {
  presetOptions,
  TRIED_PRESETS,
  triesPresets,
} from "../../shared/quantization/space/preset-options.js";
import type { EstimatorPreset } from "../../shared/quantization/space/range-estimator.js";
import type { KernelExactness } from "../../shared/run/result/result.js";
import type { ProcessorClass } from "../../shared/runtime/processor-class.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { onnxruntimeVersion } from "../../shared/runtime/session.js";
import type { Configuration } from "../../shared/search/space/space.js";
import { statisticsKey } from "../../shared/statistics/cache-key.js";
import { collectStatistics } from "../../shared/statistics/collect.js";
import { readStatistics, writeStatisticsShard } from "../../shared/statistics/shard-store.js";
import type { RunWarning } from "../../shared/validation/warnings.js";
import { type ConfigurationSource, loadConfiguration } from "./configuration.js";
import { readConfigurationDocument, requireKnownChoices } from "./configuration-document.js";
import {
  CHOICES_PROPERTY,
  OUTPUT_FILES,
  removeOtherResults,
  requireOtherFiles,
  requireVacantForQuantize,
  requireWritable,
  writeWhole,
} from "./output-folder.js";
import { isFolder, readRunTrial, runConfiguration } from "./run-trial.js";
import { openStatistics, requireStatisticsFolder } from "./statistics-folder.js";

export interface QuantizeOptions {
  readonly out?: string;
  /** Path of a `configuration.json` that tune wrote, whose choices are used; the preset configuration when omitted. */
  readonly configuration?: string;
  /** Number of a trial of an earlier run, whose choices are used. */
  readonly trial?: number;
  /** Output folder of the run that has the trial; tune's default folder for the model when omitted. */
  readonly run?: string;
  /** Whether the result of an earlier command in the output folder may be replaced. */
  readonly force?: boolean;
}

export interface QuantizeResult {
  /** The path of the quantized model. */
  readonly model: string;
  readonly modelBytes: number;
  readonly floatModelBytes: number;
  readonly quantizedShare: QuantizedShare;
  /**
   * The preset of the activations' range estimators that was chosen because the outputs are closest to the float
   * model's; absent when the estimator was fixed.
   */
  readonly estimatorPreset?: EstimatorPreset;
  /**
   * Form of the weights' codes, set when it is UINT8: their kernels are slower, but outputs with faster codes are
   * much further from the float model's.
   */
  readonly codes?: "uint8";
  /**
   * Share of the ops with weights that are quantized but have no integer kernel. Simulated with QuantizeLinear and
   * DequantizeLinear, they reduce size, not latency.
   */
  readonly simulatedShare: QuantizedShare;
  readonly integerKernels: IntegerKernels;
  /** The target device; CPU is replaced by the processor class of this machine, which is `processor`. */
  readonly target: string;
  readonly processor: ProcessorClass;
  /** A sentence on how this machine computes the model, when the target device is of another processor class. */
  readonly scoring?: string;
  /**
   * Whether the model computes the same integers on every processor class; `exactOn` lists those on which it
   * is exact.
   */
  readonly portable: boolean;
  readonly exactOn: readonly ProcessorClass[];
  /** Difference between this machine's kernels and exact arithmetic, measured on calibration samples. */
  readonly exactness: KernelExactness;
  /** Ops that cannot be quantized with these calibration samples, and why. */
  readonly unquantizable: readonly {
    readonly name: string;
    readonly type: string;
    readonly reason: string;
  }[];
  /** Notes on keys of the configuration without effect, and warnings of likely mistakes. */
  readonly warnings: readonly RunWarning[];
}

const WHOLE = { index: 0, count: 1 };

/**
 * Quantizes a model without a search: with the preset configuration, or with the choices of an earlier run.
 *
 * @example
 * const { model } = await quantize("config.json", { out: "quantized" });
 * const point = await quantize("tuned", { trial: 17 });
 *
 * @param source a configuration; with `trial`, the run's output folder is enough
 * @throws {ConfigurationError | ModelError | DataError | UsageError} before anything is written
 */
export async function quantize(
  source: ConfigurationSource,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  const request = await resolveRequest(source, options);
  const { configuration: given, directory, notes } = await loadConfiguration(request.source);
  requireSupported(given, "quantize");
  const machine = await processorClass();
  const configuration = withProcessor(given, machine);
  const usual = resolve(`quantfleet-${configuration.model.model_name ?? "model"}`);
  const chosen =
    request.trial === undefined ? undefined : await chosenTrial(request.trial, request.run ?? usual);
  const out = resolve(options.out ?? chosen?.out ?? usual);
  const modelPath = resolvePath(directory, configuration.model.model);
  await requireWritable(out);
  await requireOtherFiles(out, [modelPath, ...(typeof source === "string" ? [resolve(source)] : [])]);
  if (options.force !== true) await requireVacantForQuantize(out);
  await requireStatisticsFolder();
  const asked = quantizationSettings(configuration);
  const isChosen = options.configuration !== undefined || chosen !== undefined;
  // The choices of an earlier run omit parameters that were not in its scope; they have the meaning of that
  // run, so the settings stay as asked.
  const settings = isChosen ? asked : { ...asked, options: presetOptions(asked.options) };
  const original = await openSubject(modelPath, settings);
  const { prepared, hardware } = original;
  const session = scoringSession(configuration.engine.session, hardware, machine);
  requireKnownScope(original, modelPath);
  requireQuantizable(original, modelPath);
  const dataset = await loadDataset(configuration.engine.calibration, {
    directory,
    inputs: prepared.inputs,
    path: "engine.calibration",
  });
  const earlier =
    options.configuration === undefined
      ? chosen?.choices
      : await readConfigurationDocument(options.configuration, original);
  if (chosen !== undefined) requireKnownChoices(chosen.choices, original, chosen.origin);
  const samples = calibrationSamples(dataset.samples, settings.sampling);
  await dataset.verify(samples);
  await requireBoundedSamples(prepared.model, { dataset, used: samples, batchSize: 1 }, modelPath);
  const batches = calibrationBatches(dataset, samples);
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
      ? await closestPreset(subject, quantizer, batches, TRIED_PRESETS, session)
      : undefined;
  const choices = earlier ?? tried?.choices ?? subject.space.base;
  const quantized = quantizer.quantize(choices);
  const exactOn = exactClasses(subject.layout, quantized.plan);
  const hash = configurationHash(configuration);
  const files = encodeFiles(
    withProperties(quantized.model, {
      "quantfleet.configuration": hash,
      ...portabilityProperties(exactOn),
      [CHOICES_PROPERTY]: createHash("sha256").update(JSON.stringify(choices)).digest("hex"),
    }),
    prepared.external,
  );
  const scoring = scoringNote(hardware, machine, exactOn);
  const model = join(out, OUTPUT_FILES.model);
  if (files.data !== undefined) await writeWhole(join(out, OUTPUT_FILES.externalData), files.data);
  await writeWhole(model, files.model);
  await removeOtherResults(out, [
    OUTPUT_FILES.model,
    ...(files.data === undefined ? [] : [OUTPUT_FILES.externalData]),
  ]);
  return {
    model,
    modelBytes: files.model.byteLength + (files.data?.byteLength ?? 0),
    floatModelBytes: prepared.bytes,
    quantizedShare: quantized.quantizedShare,
    ...(tried === undefined ? {} : { estimatorPreset: tried.preset }),
    ...(tried?.codes === undefined ? {} : { codes: tried.codes }),
    simulatedShare: quantized.simulatedShare,
    integerKernels: await findIntegerKernels(quantized.model, subject.layout, quantized.plan, session),
    target: hardware.device,
    processor: machine,
    ...(scoring === undefined ? {} : { scoring }),
    portable: isPortable(exactOn),
    exactOn,
    exactness: await measureExactness(quantized.model, batches, session),
    unquantizable: [...subject.layout.unquantizable, ...unboundedOps(subject.layout, quantized.unbounded)],
    warnings: [
      // A configuration from a run's records holds every default, of which the user wrote none, so its notes are left
      // out.
      ...(request.isRecorded === true ? [] : notes),
      ...controlFlowNotes(subject.layout),
      ...(await otherSectionWarnings({ calibration: dataset }, configuration.engine, {
        directory,
        inputs: prepared.inputs,
      })),
    ],
  };
}

/**
 * The configuration, trial and run that `quantize` is asked for; a run's folder may stand for its
 * configuration.
 */
interface QuantizeRequest {
  readonly source: ConfigurationSource;
  /** Present when `source` is the configuration in a run's records. */
  readonly isRecorded?: true;
  readonly trial?: number;
  readonly run?: string;
}

async function resolveRequest(
  source: ConfigurationSource,
  { configuration, trial, run }: QuantizeOptions,
): Promise<QuantizeRequest> {
  if (trial === undefined) {
    if (run !== undefined)
      throw new UsageError(`--run is ${run}, but no trial of it is named; give its number by --trial.`);
    return { source };
  }
  if (configuration !== undefined) {
    throw new UsageError(
      `--trial (${trial}) and --configuration (${configuration}) are both given; give the one whose choices are to be written.`,
    );
  }
  if (typeof source !== "string" || !(await isFolder(source)))
    return { source, trial, ...(run === undefined ? {} : { run }) };
  if (run !== undefined)
    throw new UsageError(
      `${source} and --run (${run}) are both folders of runs; give the one that has the trial, or a configuration in place of the first.`,
    );
  return { source: await runConfiguration(source), isRecorded: true, trial, run: source };
}

/** The choices of a trial of an earlier run, and the default folder for the model quantized with them. */
async function chosenTrial(
  trial: number,
  run: string,
): Promise<{ readonly choices: Configuration; readonly origin: string; readonly out: string }> {
  const { runId, choices } = await readRunTrial(run, trial);
  return { choices, origin: `trial ${trial} of run ${runId} in ${run}`, out: join(run, `trial-${trial}`) };
}
