import type { RunEvent, RunRequested } from "../protocol/messages.js";
import type { TrialRecord } from "../protocol/state.js";

/** A request together with its restored trials, which a record holds and the message does not. */
export type RunStarted = RunRequested & { readonly restored?: readonly TrialRecord[] };

/** An input of the reducer: an event from the queue, or a request with its restored trials. */
export type ReducerEvent = Exclude<RunEvent, RunRequested> | RunStarted;
