import { toFeeds } from "../../shared/scoring/feeds.js";
import { openSession } from "../../shared/scoring/session.js";
import type { Workload } from "../../shared/scoring/workload.js";

/** Long enough for a mean, short enough not to be noticed. */
const MEASURE_MILLISECONDS = 100;
const MOST_RUNS = 20;

/** Seconds that the float model takes a sample on this machine, in the batches and session of the trials. */
export async function measureSecondsPerSample(workload: Workload): Promise<number> {
  const { batchSize, evaluation, order, configuration, modelPath } = workload;
  const numbers = Array.from({ length: batchSize }, (_, i) => order[i % order.length]!);
  const feeds = toFeeds(await evaluation.batch(numbers));
  const session = await openSession(modelPath, configuration.engine.session);
  try {
    // The first run allocates.
    await session.run(feeds);
    const started = performance.now();
    let runs = 0;
    do {
      await session.run(feeds);
      runs++;
    } while (runs < MOST_RUNS && performance.now() - started < MEASURE_MILLISECONDS);
    return (performance.now() - started) / 1_000 / (runs * batchSize);
  } finally {
    await session.release();
  }
}
