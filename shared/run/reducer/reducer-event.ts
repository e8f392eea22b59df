import type { RunEvent, RunRequested } from "../protocol/messages.js";
import type { TrialRecord } from "../protocol/state.js";

/**
 * A run's request together with the earlier run's trials that it begins with; these are in a stored record,
 * not in the message.
 */
export type RunStarted = RunRequested & { readonly restored?: readonly TrialRecord[] };

/** An input of the reducer: an event from the queue, or a run's request together with its restored trials. */
export type ReducerEvent = Exclude<RunEvent, RunRequested> | RunStarted;
