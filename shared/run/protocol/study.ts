import type { FinishedTrial, Sampler } from "../../search/trials/sampler.js";
import type { RunRequest } from "./request.js";
import type { Measurement, RunState, TrialRecord } from "./state.js";

/** What ratios and losses are taken against. */
export interface References {
  readonly float: Measurement;
  /** Absent where the base configuration could not be scored. */
  readonly base?: Measurement;
}

export interface Judgement {
  /** What is minimized; one value unless the objective is `pareto`. */
  readonly values: readonly number[];
  /** By how much the accuracy bound is missed; 0 within it. */
  readonly violation: number;
  /** Percent of accuracy lost against the float model; negative where the trial is better. */
  readonly accuracyLoss: number;
  /** What the last of `values` is known up to; 0 where it is exact. */
  readonly noise: number;
  /** Whether the accuracy bound is met, which is no constraint under every objective. */
  readonly withinBound: boolean;
  /** Whether the asked-for speed-up is met as well. */
  readonly meetsTarget: boolean;
}

/** What the reducer needs to know about search and metrics; all of it pure. */
export interface Study {
  /** @param sensitivity quantization error a group, where the statistics brought it */
  createSampler(request: RunRequest, sensitivity: Readonly<Record<string, number>> | undefined): Sampler;
  /** The metric of rows of `request.metric.rowWidth` values, laid out row after row in sample order. */
  aggregate(rows: Float32Array, request: RunRequest): number;
  judge(trial: Measurement, references: References, request: RunRequest): Judgement;
  /** The best of complete trials, where values within each other's noise count as equal. */
  pickBest<Trial extends Judgement & { readonly number: number }>(
    trials: readonly Trial[],
    request: RunRequest,
  ): Trial | undefined;
}

export const FLOAT_TRIAL = 0;
export const BASE_TRIAL = 1;

/** The references, once both reference trials have ended and the float model's was scored. */
export function findReferences(state: RunState): References | undefined {
  let float: Measurement | undefined;
  let base: TrialRecord | undefined;
  // The reference trials end before every other.
  for (const trial of state.finished.slice(0, 2)) {
    if (trial.number === FLOAT_TRIAL && trial.state !== "failed") float = trial.measurement;
    if (trial.number === BASE_TRIAL) base = trial;
  }
  if (float === undefined || base === undefined) return undefined;
  return base.state === "failed" ? { float } : { float, base: base.measurement };
}

/** The trial as the sampler sees it; nothing for a float model that the space has no name for. */
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
