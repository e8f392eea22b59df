import type { Dataset } from "../../data/dataset.js";
import { asInputError, BY_FLOAT } from "../../metrics/unscorable.js";
import { runSamples } from "../../runtime/run-samples.js";
import { openModelFile } from "../../runtime/session.js";
import type { RunWarning } from "../../validation/warnings.js";
import { type Scored, Scorer } from "../jobs/scorer.js";
import { requireBoundedWorkload } from "../workload/bounded-samples.js";
import type { Workload } from "../workload/workload.js";
import { controlFlowNotes } from "./control-flow-notes.js";
import { dataWarnings } from "./data-warnings.js";
import { floatWarnings } from "./float-warnings.js";

/**
 * Number of evaluation samples that are scored to see whether the labels fit the model; few enough to take
 * little time.
 */
export const MOST_LOOKED_AT = 96;

/**
 * Runs and scores the float model on a few samples of every data section (calibration, evaluation,
 * validation), among them extreme ones such as the longest, so that what would fail every trial is found
 * before any work.
 *
 * @returns warnings of what is probably a mistake
 * @throws DataError when the model cannot be run on a sample, or its outputs do not fit the metric
 */
export async function checkWorkload(workload: Workload): Promise<readonly RunWarning[]> {
  const {
    configuration,
    subject,
    modelPath,
    calibration,
    calibrated,
    evaluation,
    validation,
    metric,
    batchSize,
    order,
  } = workload;
  const validated = Array.from({ length: validation?.samples ?? 0 }, (_, sample) => sample);
  await calibration.verify(calibrated);
  await evaluation.verify(order);
  await validation?.verify(validated);
  await requireBoundedWorkload(workload);
  const warnings = await dataWarnings({ calibration, evaluation, validation, engine: configuration.engine });
  const openFloat = () => openModelFile(modelPath, configuration.engine.session);
  const session = await openFloat();
  const check = async (
    dataset: Dataset,
    samples: readonly number[],
    used: readonly number[],
  ): Promise<readonly Scored[]> => {
    const scorer = new Scorer({ dataset, metric, batchSize, order: samples, openFloat });
    try {
      return await scorer.check(session, used);
    } catch (cause) {
      throw asInputError(cause, BY_FLOAT);
    } finally {
      await scorer.release();
    }
  };
  try {
    for (const sample of new Set([...calibrated.slice(0, 1), ...calibration.extremes(calibrated)])) {
      const batch = await calibration.batch(
        Array.from({ length: calibration.fixedBatch ?? 1 }, () => sample),
      );
      await runSamples(session, batch, () => calibration.locate([sample]));
    }
    const looked = order.slice(0, metric.needs === "labels" ? MOST_LOOKED_AT : 2);
    const looks = await check(evaluation, looked, order);
    if (validation !== undefined) {
      await check(validation, validated.slice(0, 2), validated);
    }
    const held = controlFlowNotes(subject.layout);
    return [...held, ...warnings, ...floatWarnings(metric, looks, "the float model")];
  } finally {
    await session.release();
  }
}
