import type { RunRequest } from "../protocol/request.js";
import type { MeasuredTrial } from "../protocol/state.js";

/**
 * What a finalist takes beside its validation and its latency, in times of a trial's quantizing and opening its session: it
 * is written and opened to be validated, timed and searched for integer kernels (5 to 10 times, docs/measurements.md, "Time
 * left").
 */
const FINALIST_PREPARATIONS = 7;

/** Seconds of a worker. */
export interface TrialWork {
  /** That one sample takes. */
  readonly sample: number;
  /** In which a trial's model is quantized and opened. */
  readonly preparation: number;
}

/** Of trials of a run, whose times are those of their shards' workers together. */
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
 * Seconds of the worker that finishes a run: the finalists, the base and the float model are validated one after the other,
 * and all but float timed.
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
