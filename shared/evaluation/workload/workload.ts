import { DataError } from "../../basics/errors.js";
import type { DataSection } from "../../configuration/engine-schema.js";
import type { ConfigurationFor } from "../../configuration/supported.js";
import type { Dataset } from "../../data/dataset.js";
import { loadDataset } from "../../data/load-dataset.js";
import { createMetric } from "../../metrics/create-metric.js";
import type { Metric } from "../../metrics/metric.js";
import type { LocateModule } from "../../metrics/module-location.js";
import { scoringSession } from "../../quantization/device/scoring-session.js";
import type { ContentFolder } from "../../run/store/content-cache.js";
import { processorClass } from "../../runtime/processor-probe.js";
import { onnxruntimeVersion, type SessionSettings } from "../../runtime/session.js";
import { sampleOrder } from "../../search/trials/early-stopping.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { ModelVariants } from "../model/model-variants.js";
import type { Subject } from "../model/tunable-model.js";
import { loadCalibration } from "./calibration-workload.js";
import { measurementKey, metricContent } from "./measurement-key.js";

/**
 * Seed of the order in which evaluation samples are scored: the same for every run and for the command
 * `evaluate`.
 */
export const SCORING_ORDER_SEED = 0;

/** Model, data and metric of a configuration, read and checked against each other. */
export interface Workload {
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  readonly modelPath: string;
  /** The model as the base configuration rewrites it. */
  readonly subject: Subject;
  /** The model as other configurations rewrite it, where the search decides on algorithms. */
  readonly variants: ModelVariants;
  readonly calibration: Dataset;
  /** Indexes of the calibration samples that are used. */
  readonly calibrated: readonly number[];
  readonly evaluation: Dataset;
  readonly validation: Dataset | undefined;
  readonly metric: Metric;
  /** Samples per calibration batch, where the model fixes them. */
  readonly fixedBatch: number | undefined;
  /** Samples per inference while scoring. */
  readonly batchSize: number;
  /** The batches that statistics are gathered over; each shard is made of whole batches. */
  readonly calibrationBatches: CalibrationBatches;
  /** Indexes of the evaluation samples in scoring order. */
  readonly order: readonly number[];
  /**
   * Store key of the calibration statistics of the subject (the model as the base configuration rewrites it).
   */
  readonly statisticsKey: string;
  /**
   * Settings of the sessions that models are scored in: `engine.session`, adapted to the target by
   * `scoringSession`.
   */
  readonly session: SessionSettings;
  /** Hash of what trials of two runs must share to be compared (`measurementKey`). */
  readonly measuredUnder: string;
}

export interface WorkloadOptions {
  /**
   * Finds the code of a metric module (a user's metric); needed where the configuration does not lie beside
   * it.
   */
  readonly locateModule?: LocateModule;
  /** Cache folder that keeps the prepared model for later processes. */
  readonly contents?: ContentFolder;
}

/**
 * Reads everything that a tuning run works on. What does not fit together is refused here, before any work.
 *
 * @param openStatistics opens the store of statistics, which are stored under hashes of what they depend on
 * @throws {ConfigurationError | ModelError | DataError}
 */
export async function loadWorkload(
  configuration: ConfigurationFor<"tune">,
  directory: string,
  openStatistics: () => Promise<ObjectStore>,
  { locateModule, contents }: WorkloadOptions = {},
): Promise<Workload> {
  const { engine, optimizer } = configuration;
  const calibrating = await loadCalibration(configuration, directory, openStatistics, contents);
  const { modelPath, original, calibration, calibrated, variants, fixedBatch } = calibrating;
  const { prepared } = original;
  const load = (section: DataSection, path: string): Promise<Dataset> =>
    loadDataset(section, { directory, inputs: prepared.inputs, path: `engine.${path}` });
  const evaluation = await load(engine.evaluation, "evaluation");
  const validation =
    engine.validation === undefined ? undefined : await load(engine.validation, "validation");
  const metric = await createMetric(engine.metric, {
    directory,
    outputs: prepared.outputs,
    locateModule,
    labelled: engine.evaluation.labels !== undefined,
  });
  checkLabels(metric, evaluation, "engine.evaluation.labels");
  if (validation !== undefined) checkLabels(metric, validation, "engine.validation.labels");
  const base = await variants.of(original.space.base);
  const { subject } = base;
  const samples = Math.min(optimizer.params.eval_subset_size ?? evaluation.samples, evaluation.samples);
  const batchSize = evaluation.fixedBatch ?? engine.batch_size;
  const measured = measurementKey(configuration, {
    modelSha256: prepared.sha256,
    rewritings: subject.prepared.rewritings,
    calibration: { contentHash: calibration.contentHash, samples: calibrated },
    evaluation: { contentHash: evaluation.contentHash, samples },
    batchSize,
    onnxruntime: onnxruntimeVersion(),
    metric: await metricContent(engine.metric, directory, locateModule),
  });
  return {
    configuration,
    directory,
    modelPath,
    subject,
    variants,
    calibration,
    calibrated,
    evaluation,
    validation,
    metric,
    fixedBatch,
    batchSize,
    measuredUnder: measured,
    calibrationBatches: calibrating.calibrationBatches,
    order: Array.from(sampleOrder(SCORING_ORDER_SEED, samples)),
    statisticsKey: base.statisticsKey,
    session: scoringSession(engine.session, original.hardware, await processorClass()),
  };
}

/**
 * Reads all labels of a data section once, so that one that the metric cannot use is found before any work.
 */
export function checkLabels(metric: Metric, dataset: Dataset, name: string): void {
  if (metric.needs !== "labels") return;
  const labels = dataset.labels({ from: 0, to: dataset.samples });
  if (labels === undefined) {
    throw new DataError(`${name} is missing, but metric ${metric.name} needs labels; name their file.`);
  }
  metric.checkLabels(labels, name);
}
