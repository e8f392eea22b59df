import { hasEnded, type Measurement, type Phase, type RunState, type StopReason } from "../protocol/state.js";
import { findReferences } from "../protocol/study.js";
import { limitsOf } from "../reducer/search-limits.js";
import { workedMinutes } from "../reducer/time-reserve.js";
import { estimateSecondsLeft } from "./time-left.js";

/** Progress of a run. */
export interface Progress {
  readonly phase: Phase;
  /** Number of trials that have ended; `trialsAsked` are those started. Both include the float model. */
  readonly trialsDone: number;
  readonly trialsAsked: number;
  /** Maximum number of trials, including the float model. */
  readonly trialsAtMost: number;
  readonly float?: Measurement;
  readonly best?: { readonly trial: number; readonly measurement: Measurement };
  /** Seconds of work until now, or until the run ended. */
  readonly secondsElapsed: number;
  /** Estimated seconds until the run is done; absent until a few trials have ended. */
  readonly secondsLeft?: number;
  readonly stop?: StopReason;
  /** Why the run failed. */
  readonly failure?: string;
  /** US dollars spent (`usd`), estimated beforehand, and allowed; only where work is billed. */
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
