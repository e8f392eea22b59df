import type { InferenceSession } from "onnxruntime-node";
import { resolvePath } from "../../shared/configuration/parse.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { MOST_LOOKED_AT } from "../../shared/evaluation/checks/check-workload.js";
import { otherSectionWarnings } from "../../shared/evaluation/checks/data-warnings.js";
import { floatWarnings } from "../../shared/evaluation/checks/float-warnings.js";
import { type Scored, Scorer } from "../../shared/evaluation/jobs/scorer.js";
import { readWholeModel } from "../../shared/evaluation/model/model-file.js";
import { requireBoundedSamples } from "../../shared/evaluation/workload/bounded-samples.js";
import { checkLabels, SCORING_ORDER_SEED } from "../../shared/evaluation/workload/workload.js";
import { createMetric } from "../../shared/metrics/create-metric.js";
import { asInputError } from "../../shared/metrics/unscorable.js";
import type { Model } from "../../shared/onnx/model/codec.js";
import type { MetricResult } from "../../shared/run/result/result.js";
import { openModelFile, portsOf, type SessionSettings } from "../../shared/runtime/session.js";
import { sampleOrder } from "../../shared/search/trials/early-stopping.js";
import type { RunWarning } from "../../shared/validation/warnings.js";
import { type ConfigurationSource, loadConfiguration } from "./configuration.js";

export interface EvaluateResult {
  readonly metric: MetricResult;
  readonly secondsPerSample: number;
  /** Notes on keys of the configuration without effect, and warnings of likely mistakes. */
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
  const { whole, session } = await openModel(model, engine.session);
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
    const order = Array.from(sampleOrder(SCORING_ORDER_SEED, samples));
    await requireBoundedSamples(whole, { dataset, used: order, batchSize: engine.batch_size }, model);
    const scorer = new Scorer({
      dataset,
      metric,
      batchSize: engine.batch_size,
      order,
      openFloat: () => openFloatModel(resolvePath(directory, configuration.model.model), engine.session),
    });
    const looks: Scored[] = [];
    const look = (batch: Scored): void => {
      if (looks.length * engine.batch_size < MOST_LOOKED_AT) looks.push(batch);
    };
    const scores = await scorer
      .score(session, undefined, undefined, look)
      .catch((cause: unknown) => {
        throw asInputError(cause);
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
      warnings: [
        ...notes,
        ...(await otherSectionWarnings({ evaluation: dataset }, engine, { directory, inputs })),
        ...floatWarnings(metric, looks, "the model"),
      ],
    };
  } finally {
    await session.release();
  }
}

/** Opens a float or quantized model without changing it. */
async function openModel(
  model: string,
  settings: SessionSettings,
): Promise<{ readonly whole: Model; readonly session: InferenceSession }> {
  const whole = await readWholeModel(model);
  return { whole, session: await openModelFile(model, settings) };
}

async function openFloatModel(model: string, settings: SessionSettings): Promise<InferenceSession> {
  return (await openModel(model, settings)).session;
}
