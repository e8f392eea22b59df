import { type Job, MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { type Command, markCarriedOut } from "../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../shared/run/reducer/reducer.js";
import { answerToyJob } from "./toy-model.js";

/** Runs the reducer alone, answering its jobs in the order in which they were sent. */
export function runToy(
  request: RunRequest,
  study: Study,
  restored: readonly TrialRecord[] = [],
): { readonly state: RunState; readonly sent: readonly Job[] } {
  const { reduce } = createReducer(study);
  const sent: Job[] = [];
  let at = 0;
  const note = (state: RunState, commands: readonly Command[]): RunState => {
    sent.push(...commands.flatMap((command) => (command.type === "WriteRecord" ? [] : [command.job])));
    return markCarriedOut(state, commands);
  };
  const { runId } = request;
  const event = { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request, restored } as const;
  const first = reduce(undefined, event);
  let state = note(first.state!, first.commands);
  for (let next = 0; next < sent.length; next++) {
    at += 1;
    const report = answerToyJob(request, sent[next]!, { worker: "w", isa: "isa-a", at });
    const { state: reduced, commands } = reduce(state, report);
    state = note(reduced!, commands);
  }
  return { state, sent };
}
