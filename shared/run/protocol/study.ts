import type { FinishedTrial, Sampler } from "../../search/trials/sampler.js";
import type { RunRequest } from "./request.js";
import type { Measurement, RunState, TrialRecord } from "./state.js";

/**
 * Measurements of the float model and the base configuration, which ratios and losses of trials are relative
 * to.
 */
export interface References {
  readonly float: Measurement;
  /** Measurement of the base configuration; absent where it could not be scored. */
  readonly base?: Measurement;
}

export interface Judgement {
  /** The objective's values, which are minimized; one unless the objective is `pareto`. */
  readonly values: readonly number[];
  /** By how many percent of accuracy the trial misses the accuracy bound; 0 within the bound. */
  readonly violation: number;
  /** Percent of accuracy lost relative to the float model; negative where the trial is better. */
  readonly accuracyLoss: number;
  /** Standard error of the last of `values`; 0 where it is exact. */
  readonly noise: number;
  /** Whether the accuracy bound is met; not every objective treats the bound as a constraint. */
  readonly withinBound: boolean;
  /** Whether both the accuracy bound and the required speed-up are met. */
  readonly meetsTarget: boolean;
}

/** Sampler, objective and metric of a run as the reducer uses them; all functions are pure. */
export interface Study {
  /**
   * Creates the sampler that proposes the run's configurations.
   *
   * @param sensitivity by how many decibels the outputs' signal-to-noise ratio rises when a group alone is
   * switched to float or to quantized, by group; `undefined` where it was not measured
   */
  createSampler(request: RunRequest, sensitivity: Readonly<Record<string, number>> | undefined): Sampler;
  /** The metric of rows (per-sample scores) of `request.metric.rowWidth` values each, in sample order. */
  aggregate(rows: Float32Array, request: RunRequest): number;
  judge(trial: Measurement, references: References, request: RunRequest): Judgement;
  /**
   * The best of complete trials; of those whose values differ by no more than measurement noise, the most
   * accurate.
   */
  pickBest<Trial extends Judgement & { readonly number: number }>(
    trials: readonly Trial[],
    request: RunRequest,
  ): Trial | undefined;
}

export const FLOAT_TRIAL = 0;
export const BASE_TRIAL = 1;

/**
 * The measurements of the reference trials, the float model and the base configuration; `undefined` until
 * both have ended, or if the float model's failed.
 */
export function findReferences(state: RunState): References | undefined {
  let float: Measurement | undefined;
  let base: TrialRecord | undefined;
  // The reference trials are the first two to end.
  for (const trial of state.finished.slice(0, 2)) {
    if (trial.number === FLOAT_TRIAL && trial.state !== "failed") float = trial.measurement;
    if (trial.number === BASE_TRIAL) base = trial;
  }
  if (float === undefined || base === undefined) return undefined;
  return base.state === "failed" ? { float } : { float, base: base.measurement };
}

/**
 * An ended trial with its judgement, as the sampler sees it; `undefined` for the float model where the space
 * cannot express it.
 */
export function judgeTrial(
  study: Study,
  request: RunRequest,
  references: References,
  trial: TrialRecord,
): FinishedTrial | undefined {
  const configuration = trial.configuration ?? request.float;
  if (configuration === undefined) return undefined;
  const { number, state } = trial;
  if (state === "failed") return { number, configuration, state, values: [], violation: 0, samples: 0 };
  const { values, violation, accuracyLoss } = study.judge(trial.measurement, references, request);
  const { samples } = trial.measurement;
  return { number, configuration, state, values, violation, accuracyLoss, samples };
}
