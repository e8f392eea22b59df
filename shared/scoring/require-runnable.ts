import type { Dataset } from "./data/dataset.js";
import { runSamples } from "./run-samples.js";
import { Scorer } from "./scorer.js";
import { openSession } from "./session.js";
import type { Workload } from "./workload.js";

/**
 * Runs the float model on a few samples of every section, those included that it is likeliest to be unable to take, and
 * scores them: what would lose every trial is found before any work.
 *
 * @throws DataError when the model cannot be run on a sample, or its outputs do not fit the metric
 */
export async function requireRunnable(workload: Workload): Promise<void> {
  const { configuration, modelPath, calibration, evaluation, validation, metric, batchSize } = workload;
  const openFloat = () => openSession(modelPath, configuration.engine.session);
  const session = await openFloat();
  try {
    for (const sample of new Set([0, ...calibration.extremes])) await requireSample(calibration, sample);
    for (const dataset of validation === undefined ? [evaluation] : [evaluation, validation]) {
      const scorer = new Scorer({ dataset, metric, batchSize, order: firstSamples(dataset), openFloat });
      try {
        await scorer.check(session);
      } finally {
        await scorer.release();
      }
    }
  } finally {
    await session.release();
  }

  async function requireSample(dataset: Dataset, sample: number): Promise<void> {
    const batch = await dataset.batch(Array.from({ length: dataset.fixedBatch ?? 1 }, () => sample));
    await runSamples(session, batch, () => dataset.locate([sample]));
  }
}

/** As many as one inference takes at least, and two where there are so many, to tell samples apart. */
function firstSamples({ samples, fixedBatch }: Dataset): number[] {
  return Array.from({ length: Math.min(samples, Math.max(2, fixedBatch ?? 1)) }, (_, sample) => sample);
}
