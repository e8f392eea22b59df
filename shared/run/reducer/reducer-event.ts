import type { RunEvent, RunRequested } from "../protocol/messages.js";
import type { TrialRecord } from "../protocol/state.js";

/** A request together with the trials that it names by `request.restored`, which lie in a record and in no message. */
export type RunStarted = RunRequested & { readonly restored?: readonly TrialRecord[] };

/** What the reducer is told: the events of the queue, a request with its restored trials. */
export type ReducerEvent = Exclude<RunEvent, RunRequested> | RunStarted;
