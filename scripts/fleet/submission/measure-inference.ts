import type { InferenceSession } from "onnxruntime-node";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { toFeeds } from "../../../shared/runtime/feeds.js";
import { openSession } from "../../../shared/runtime/session.js";

/** Long enough for a mean, short enough not to be noticed. */
const MEASURE_MILLISECONDS = 100;
const MOST_RUNS = 20;

/**
 * Seconds that the float model takes a sample on this machine, in the session of the trials and in their batches, or one
 * at a time where it cannot be run on several.
 */
export async function measureSecondsPerSample(workload: Workload): Promise<number> {
  const { batchSize, evaluation, configuration, modelPath } = workload;
  const session = await openSession(modelPath, configuration.engine.session);
  try {
    const smallest = evaluation.fixedBatch ?? 1;
    return await secondsPerSample(session, workload, batchSize).catch((error: unknown) => {
      if (batchSize === smallest) throw error;
      return secondsPerSample(session, workload, smallest);
    });
  } finally {
    await session.release();
  }
}

async function secondsPerSample(
  session: InferenceSession,
  { evaluation, order }: Workload,
  batchSize: number,
): Promise<number> {
  const numbers = Array.from({ length: batchSize }, (_, i) => order[i % order.length]!);
  const feeds = toFeeds(await evaluation.batch(numbers));
  // The first run allocates.
  await session.run(feeds);
  const started = performance.now();
  let runs = 0;
  do {
    await session.run(feeds);
    runs++;
  } while (runs < MOST_RUNS && performance.now() - started < MEASURE_MILLISECONDS);
  return (performance.now() - started) / 1_000 / (runs * batchSize);
}
