import { hasEnded, type Measurement, type Phase, type RunState, type StopReason } from "../protocol/state.js";
import { findReferences } from "../protocol/study.js";
import { limitsOf } from "../reducer/search-limits.js";
import { workedMinutes } from "../reducer/time-reserve.js";
import { estimateSecondsLeft } from "./time-left.js";

/** How far a run has come. */
export interface Progress {
  readonly phase: Phase;
  /** Trials that have ended, and those handed out, the float model's included. */
  readonly trialsDone: number;
  readonly trialsAsked: number;
  /** How many there will be at most, the float model's included. */
  readonly trialsAtMost: number;
  readonly float?: Measurement;
  readonly best?: { readonly trial: number; readonly measurement: Measurement };
  /** Until now, or until it ended. */
  readonly secondsElapsed: number;
  /** Until the run is done, by the trials so far; absent before a few have ended. */
  readonly secondsLeft?: number;
  readonly stop?: StopReason;
  /** Why the run failed. */
  readonly failure?: string;
  /** Where work is billed: US dollars spent, expected beforehand, and allowed. */
  readonly cost?: { readonly usd: number; readonly estimatedUsd?: number; readonly maxUsd?: number };
}

export function describeProgress(state: RunState, at: number): Progress {
  const { phase, finished, asked, best, stop, failure, request } = state;
  const secondsElapsed = workedMinutes(state, hasEnded(state) ? state.lastAt : at) * 60;
  const secondsLeft = estimateSecondsLeft(state, at);
  const float = findReferences(state)?.float;
  return {
    phase,
    trialsDone: finished.length,
    trialsAsked: asked,
    trialsAtMost: limitsOf(state).maxTrials + 1,
    ...(float === undefined ? {} : { float }),
    ...(best === undefined ? {} : { best: { trial: best.number, measurement: best.measurement } }),
    secondsElapsed,
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
    ...(stop === undefined ? {} : { stop }),
    ...(failure === undefined ? {} : { failure }),
    ...(request.cost === undefined ? {} : { cost: describeCost(state, request.cost.estimatedUsd) }),
  };
}

function describeCost(state: RunState, estimatedUsd: number | undefined): NonNullable<Progress["cost"]> {
  const { maxUsd } = limitsOf(state);
  return {
    usd: state.spend.usd,
    ...(estimatedUsd === undefined ? {} : { estimatedUsd }),
    ...(maxUsd === undefined ? {} : { maxUsd }),
  };
}
