import { safeguard } from "../../basics/safeguard.js";
import type { RunState, StopReason } from "../protocol/state.js";
import { findReferences, type Study } from "../protocol/study.js";
import { expectedUsd } from "./charges.js";
import { limitsOf } from "./search-limits.js";
import { expectedMinutes } from "./time-reserve.js";

/**
 * The reason to start no further trial of the search, checked before each one; `undefined` if there is none.
 */
export function findStopReason(study: Study, state: RunState, at: number): StopReason | undefined {
  const { maxTrials, maxMinutes, maxUsd = Infinity } = limitsOf(state);
  if (state.asked > maxTrials) return "max_trials";
  // The float model and the base are always scored: without them there is no result, and no measured cost of
  // a trial.
  const isPriced = findReferences(state) !== undefined;
  if (isPriced && maxMinutes > 0 && expectedMinutes(state, at) > maxMinutes) return "max_minutes";
  if (state.request.optimizer.stopOnTarget && meetsTarget(study, state)) return "stop_on_target";
  if (isPriced && expectedUsd(state) > maxUsd && safeguard("budget")) return "max_cost_usd";
  return undefined;
}

function meetsTarget(study: Study, state: RunState): boolean {
  const references = findReferences(state);
  if (references === undefined || state.best === undefined) return false;
  return study.judge(state.best.measurement, references, state.request).meetsTarget;
}
