import * as z from "zod";
import type { RunRequest } from "./request.js";
import type { RunState, StopReason } from "./state.js";

/**
 * How far a search goes. A run that is resumed may say it anew, as more trials, minutes or dollars are no other search. The
 * sampler goes by the request's own number of trials all the same, so that every ask can be replayed.
 */
export const limitsSchema = z.strictObject({
  /** Trials in all, the base configuration included and the float model not. */
  maxTrials: z.int().min(1).max(100_000),
  /** Minutes that the run may spend working; 0 is unlimited. */
  maxMinutes: z.number().min(0),
  /** US dollars, where work is billed. */
  maxUsd: z.number().gt(0).exactOptional(),
});

export type Limits = Readonly<z.infer<typeof limitsSchema>>;

/** The limits that hold: what the run was last resumed with, or else the request's. */
export function limitsOf({ request, limits }: Pick<RunState, "request" | "limits">): Limits {
  return limits ?? requestedLimits(request);
}

function requestedLimits({ optimizer: { maxTrials, maxMinutes }, cost }: RunRequest): Limits {
  return { maxTrials, maxMinutes, ...(cost?.maxUsd === undefined ? {} : { maxUsd: cost.maxUsd }) };
}

/** Whether what stopped a search lets it go on after its limits were changed. */
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
