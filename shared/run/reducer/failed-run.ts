import type { Failure } from "../protocol/failed-outcome.js";
import type { RunState } from "../protocol/state.js";

/** The state of a run that cannot go on, for want of `what`. */
export function failRun(state: RunState, what: string, { reason, input }: Failure): RunState {
  const failed: RunState = { ...state, phase: "failed", failure: `${what}: ${reason}` };
  return input ? { ...failed, failedByInput: input } : failed;
}
