import { expectedUsd } from "./spend.js";
import type { RunState, StopReason } from "./state.js";
import { findReferences, type Study } from "./study.js";

/** Why no further trial should be asked for, tested before each one; `undefined` while there is no reason. */
export function findStopReason(study: Study, state: RunState, at: number): StopReason | undefined {
  const { optimizer, cost } = state.request;
  if (state.asked > optimizer.maxTrials) return "max_trials";
  if (optimizer.maxMinutes > 0 && workedMinutes(state, at) >= optimizer.maxMinutes) return "max_minutes";
  if (optimizer.stopOnTarget && meetsTarget(study, state)) return "stop_on_target";
  // Without the float model and the base there would be nothing to write, and before them no trial has told what one costs.
  if (cost?.maxUsd !== undefined && findReferences(state) !== undefined && expectedUsd(state) > cost.maxUsd)
    return "max_cost_usd";
  return undefined;
}

/** Minutes since the request in which a process carried the run. */
export function workedMinutes(state: RunState, at: number): number {
  return (Math.max(at, state.lastAt) - state.startedAt - state.pausedMilliseconds) / 60_000;
}

function meetsTarget(study: Study, state: RunState): boolean {
  const references = findReferences(state);
  if (references === undefined || state.best === undefined) return false;
  return study.judge(state.best.measurement, references, state.request).meetsTarget;
}
