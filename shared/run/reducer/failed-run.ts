import type { Failure } from "../protocol/failed-outcome.js";
import type { RunState } from "../protocol/state.js";

/**
 * The state of a run that has failed; `what` says what could not be done, such as "The float model could not
 * be scored".
 */
export function failRun(state: RunState, what: string, { reason, input }: Failure): RunState {
  const failed: RunState = { ...state, phase: "failed", failure: `${what}: ${reason}` };
  return input ? { ...failed, failedByInput: input } : failed;
}
