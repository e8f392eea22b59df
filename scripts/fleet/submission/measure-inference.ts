import type { InferenceSession } from "onnxruntime-node";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { toFeeds } from "../../../shared/runtime/feeds.js";
import { openModelFile } from "../../../shared/runtime/session.js";

/** Duration of the measurement of the float model's speed: long enough for several runs of a small model. */
const MEASURE_MILLISECONDS = 100;
const MAX_RUNS = 20;

/**
 * Seconds of the float model per sample on this machine, with the trials' session options and batch size, or
 * with the smallest batch where that one fails.
 */
export async function measureSecondsPerSample(workload: Workload): Promise<number> {
  const { batchSize, evaluation, configuration, modelPath } = workload;
  const session = await openModelFile(modelPath, configuration.engine.session);
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
  // The first run of the session allocates memory, so it is not timed.
  await session.run(feeds);
  const started = performance.now();
  let fastest = Number.POSITIVE_INFINITY;
  let runs = 0;
  do {
    const begun = performance.now();
    await session.run(feeds);
    fastest = Math.min(fastest, performance.now() - begun);
    runs++;
  } while (runs < MAX_RUNS && performance.now() - started < MEASURE_MILLISECONDS);
  // The fastest run counts, as other processes only lengthen a run.
  return fastest / 1_000 / batchSize;
}
