import type { InferenceSession } from "onnxruntime-node";
import { DataError, RunError } from "../../shared/basics/errors.js";
import { resolvePath } from "../../shared/configuration/parse.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { Scorer } from "../../shared/evaluation/jobs/scorer.js";
import { readWholeModel } from "../../shared/evaluation/model/model-file.js";
import { checkLabels, SCORING_ORDER_SEED } from "../../shared/evaluation/workload/workload.js";
import { createMetric } from "../../shared/metrics/create-metric.js";
import type { MetricResult } from "../../shared/run/result/result.js";
import { openModelFile, portsOf, type SessionSettings } from "../../shared/runtime/session.js";
import { sampleOrder } from "../../shared/search/trials/early-stopping.js";
import type { RunWarning } from "../../shared/validation/warnings.js";
import { type ConfigurationSource, loadConfiguration } from "./configuration.js";

export interface EvaluateResult {
  readonly metric: MetricResult;
  readonly secondsPerSample: number;
  /** Notes on keys of the configuration that have no effect. */
  readonly warnings: readonly RunWarning[];
}

/**
 * Scores any ONNX model on a configuration's evaluation data, in the same way as trials.
 *
 * @example
 * const { metric } = await evaluate("quantized/model.onnx", "config.json");
 *
 * @throws {ConfigurationError | ModelError | DataError}
 */
export async function evaluate(model: string, source: ConfigurationSource): Promise<EvaluateResult> {
  const { configuration, directory, notes } = await loadConfiguration(source);
  requireSupported(configuration, "evaluate");
  const { engine, optimizer } = configuration;
  const session = await openModel(model, engine.session);
  try {
    const { inputs, outputs } = portsOf(session);
    const dataset = await loadDataset(engine.evaluation, { directory, inputs, path: "engine.evaluation" });
    const metric = await createMetric(engine.metric, {
      directory,
      outputs,
      labelled: dataset.labels({ from: 0, to: 1 }) !== undefined,
    });
    checkLabels(metric, dataset, "engine.evaluation.labels");
    const samples = Math.min(optimizer.params.eval_subset_size ?? dataset.samples, dataset.samples);
    const scorer = new Scorer({
      dataset,
      metric,
      batchSize: engine.batch_size,
      order: Array.from(sampleOrder(SCORING_ORDER_SEED, samples)),
      openFloat: () => openModel(resolvePath(directory, configuration.model.model), engine.session),
    });
    const scores = await scorer
      .score(session)
      .catch((cause: unknown) => {
        throw cause instanceof RunError ? cannotBeScored(model, cause) : cause;
      })
      .finally(() => scorer.release());
    const [low, high] = metric.interval(scores.rows);
    return {
      metric: {
        name: metric.name,
        value: metric.aggregate(scores.rows),
        samples: scores.samples,
        interval: [low, high],
      },
      secondsPerSample: scores.inferenceSeconds / scores.samples,
      warnings: notes,
    };
  } finally {
    await session.release();
  }
}

/** What fails a trial of a run is here a fault of the model or the data. */
function cannotBeScored(model: string, cause: RunError): DataError {
  const problem = cause.message.replace(/\.$/, "");
  return new DataError(
    `engine.evaluation: ${problem} (${model}); give samples of which it makes numbers, or another model.`,
    { cause },
  );
}

/** Opens a float or quantized model without changing it. */
async function openModel(model: string, settings: SessionSettings): Promise<InferenceSession> {
  await readWholeModel(model);
  return openModelFile(model, settings);
}
