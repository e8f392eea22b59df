import type { Limits } from "../protocol/limits.js";
import type { RunRequest } from "../protocol/request.js";
import type { RunState, StopReason } from "../protocol/state.js";

/** The limits of the search in force: those that the run was last resumed with, or else the request's. */
export function limitsOf({ request, limits }: Pick<RunState, "request" | "limits">): Limits {
  return limits ?? requestedLimits(request);
}

function requestedLimits({ optimizer: { maxTrials, maxMinutes }, cost }: RunRequest): Limits {
  return { maxTrials, maxMinutes, ...(cost?.maxUsd === undefined ? {} : { maxUsd: cost.maxUsd }) };
}

/** Whether the new limits raise the one that stopped the search. */
export function isRaised(stop: StopReason | undefined, before: Limits, now: Limits): boolean {
  switch (stop) {
    case "max_trials":
      return now.maxTrials > before.maxTrials;
    case "max_minutes":
      return unlessZero(now.maxMinutes) > unlessZero(before.maxMinutes);
    case "max_cost_usd":
      return (now.maxUsd ?? Infinity) > (before.maxUsd ?? Infinity);
    default:
      return false;
  }
}

function unlessZero(minutes: number): number {
  return minutes === 0 ? Infinity : minutes;
}
