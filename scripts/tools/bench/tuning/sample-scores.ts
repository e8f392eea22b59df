import { validateConfiguration } from "../../../../shared/configuration/parse.js";
import { loadDataset } from "../../../../shared/data/load-dataset.js";
import { Scorer } from "../../../../shared/evaluation/jobs/scorer.js";
import { createMetric } from "../../../../shared/metrics/create-metric.js";
import { openSession, portsOf } from "../../../../shared/runtime/session.js";
import type { BenchModel } from "./models.js";

/**
 * The score of each sample by the configured metric: first the evaluation samples, then the validation
 * samples.
 */
export async function scoreSamples(
  path: string,
  { configuration, directory }: BenchModel,
): Promise<Float32Array> {
  const { engine } = validateConfiguration(configuration, { directory }).configuration;
  const session = await openSession(path, engine.session);
  const { inputs, outputs } = portsOf(session);
  const scores: number[] = [];
  for (const name of ["evaluation", "validation"] as const) {
    const dataset = await loadDataset(engine[name]!, { directory, inputs, path: `engine.${name}` });
    const metric = await createMetric(engine.metric!, { directory, outputs, labelled: true });
    if (!metric.perSampleMean)
      throw new Error(`${metric.name} is no mean over samples, to compare in pairs.`);
    const scorer = new Scorer({
      dataset,
      metric,
      batchSize: engine.batch_size,
      order: Array.from({ length: dataset.samples }, (_, i) => i),
      openFloat: () => Promise.reject(new Error(`${metric.name} compares with labels.`)),
    });
    scores.push(...(await scorer.score(session)).rows);
    await scorer.release();
  }
  await session.release();
  return Float32Array.from(scores);
}
