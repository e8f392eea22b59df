import type { RunState, StopReason } from "../protocol/state.js";
import { findReferences, type Study } from "../protocol/study.js";
import { expectedUsd } from "./charges.js";
import { limitsOf } from "./search-limits.js";
import { expectedMinutes } from "./time-reserve.js";

/** Why no further trial should be asked for, tested before each one; `undefined` while there is no reason. */
export function findStopReason(study: Study, state: RunState, at: number): StopReason | undefined {
  const { maxTrials, maxMinutes, maxUsd = Infinity } = limitsOf(state);
  if (state.asked > maxTrials) return "max_trials";
  // Without the float model and the base there would be nothing to write, and before them no trial has told what one takes.
  const isPriced = findReferences(state) !== undefined;
  if (isPriced && maxMinutes > 0 && expectedMinutes(state, at) > maxMinutes) return "max_minutes";
  if (state.request.optimizer.stopOnTarget && meetsTarget(study, state)) return "stop_on_target";
  if (isPriced && expectedUsd(state) > maxUsd) return "max_cost_usd";
  return undefined;
}

function meetsTarget(study: Study, state: RunState): boolean {
  const references = findReferences(state);
  if (references === undefined || state.best === undefined) return false;
  return study.judge(state.best.measurement, references, state.request).meetsTarget;
}
