import type { RunRequest } from "../protocol/request.js";
import type { MeasuredTrial } from "../protocol/state.js";

/**
 * Overhead of the finish per finalist, apart from validation and latency measurement, as a multiple of a
 * trial's time to quantize and to open a session: the finalist is written and opened to be validated, timed
 * and inspected for integer kernels. Measured: 5 to 10.
 */
const FINALIST_PREPARATIONS = 7;

/** Durations of one worker's work on trials, in seconds. */
export interface TrialWork {
  /** Inference time per sample. */
  readonly sample: number;
  /** Time to quantize a trial's model and to open its session. */
  readonly preparation: number;
}

/**
 * Seconds that one worker needs: the mean inference time per sample, and the median preparation time per
 * trial. A trial's timings are sums over its shards, so the preparation is divided by their number.
 */
export function measureTrialWork(
  { evaluation }: Pick<RunRequest, "evaluation">,
  trials: readonly MeasuredTrial[],
): TrialWork {
  const samples = trials.reduce((sum, { measurement }) => sum + measurement.samples, 0);
  const inference = trials.reduce((sum, { timings }) => sum + timings.inference, 0);
  return {
    sample: inference / Math.max(1, samples),
    preparation: median(trials.map(({ timings }) => timings.quantize + timings.session)) / evaluation.shards,
  };
}

/**
 * Expected seconds of the finish job: the finalists, the base and the float model are validated one after
 * another, and all except the float model are timed.
 */
export function finishSeconds({ finish, finalists }: RunRequest, { sample, preparation }: TrialWork): number {
  const { samples, latencySeconds } = finish ?? { samples: 0, latencySeconds: 0 };
  const models = finalists + 1;
  return (models + 1) * sample * samples + models * (latencySeconds + FINALIST_PREPARATIONS * preparation);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
